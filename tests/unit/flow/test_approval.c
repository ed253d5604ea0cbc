// SPDX-License-Identifier: MIT
#include "flow/approval.h"
#include "flow/sha256.h"
#include "proto/text/json.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { HOUR = 3600000 };
static const int64_t begin_ms = INT64_C(1790000000000);

static json_t *question(int64_t need, bool approves)
{
    return approval_make(&(struct approval_question){.id = 77,
                                                     .run = 5,
                                                     .step = SLICE("ask"),
                                                     .workflow = SLICE("post"),
                                                     .platform = SLICE("instagram"),
                                                     .content = SLICE("Fresh figs today #figs"),
                                                     .need = need,
                                                     .remind_ms = 4 * HOUR,
                                                     .expires_ms = 24 * HOUR,
                                                     .approves_at_expiry = approves},
                         begin_ms);
}

static enum approval_verdict say(json_t *approval, const char *verb, const char *who, const char *hash,
                                 const char *text)
{
    struct approval_vote vote = {.verb = slice_of(verb),
                                 .hash = slice_of(hash),
                                 .via = SLICE("telegram"),
                                 .who = slice_of(who),
                                 .name = slice_of(who),
                                 .text = slice_of(text),
                                 .at_ms = begin_ms + 1000};

    return approval_vote(approval, &vote, begin_ms + 1000);
}

static void assert_result(const json_t *approval, bool approved, const char *decision, size_t by)
{
    json_t *result = approval_result(approval);

    assert_int_equal(json_is_true(json_object_get(result, "approved")), approved);
    assert_true(slice_is(json_text_at(result, "decision"), decision));
    assert_int_equal(json_array_size(json_object_get(result, "by")), by);
    json_decref(result);
}

static void digests_are_those_of_the_standard(void **state)
{
    char hex[65];

    (void)state;
    sha256_hex(SLICE("abc"), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void one_press_decides_and_more_change_nothing(void **state)
{
    json_t *approval = question(1, false);

    (void)state;
    assert_int_equal(say(approval, "approve", "ann", "", ""), APPROVAL_DECIDED);
    json_t *kept = json_deep_copy(approval);
    for (int i = 0; i < 4; i++)
        assert_int_equal(say(approval, "approve", "ann", "", ""), APPROVAL_ALREADY);
    assert_int_equal(say(approval, "reject", "bob", "", ""), APPROVAL_CLOSED);
    assert_true(json_equal(approval, kept));
    assert_result(approval, true, "approved", 1);
    json_decref(kept);
    json_decref(approval);
}

static void two_must_be_two_people(void **state)
{
    json_t *approval = question(2, false);

    (void)state;
    assert_int_equal(say(approval, "approve", "ann", "", ""), APPROVAL_COUNTED);
    assert_int_equal(say(approval, "approve", "ann", "", ""), APPROVAL_ALREADY);
    assert_true(approval_is_open(approval));
    assert_int_equal(say(approval, "approve", "bob", "", ""), APPROVAL_DECIDED);
    assert_result(approval, true, "approved", 2);
    json_decref(approval);
}

static void one_no_ends_it(void **state)
{
    json_t *approval = question(2, true);

    (void)state;
    assert_int_equal(say(approval, "approve", "ann", "", ""), APPROVAL_COUNTED);
    assert_int_equal(say(approval, "reject", "ann", "", "not today"), APPROVAL_DECIDED);
    assert_result(approval, false, "rejected", 1);
    assert_true(slice_is(json_text_at(approval, "votes.1.note"), "not today"));
    json_decref(approval);
}

static void an_edit_voids_what_was_agreed_to(void **state)
{
    json_t *approval = question(2, false);
    char old[65], new[65];

    (void)state;
    memcpy(old, json_string_value(json_object_get(approval, "hash")), 65);
    assert_int_equal(say(approval, "approve", "ann", old, ""), APPROVAL_COUNTED);
    assert_int_equal(say(approval, "edit", "bob", old, "Fresh figs tomorrow"), APPROVAL_EDITED);
    memcpy(new, json_string_value(json_object_get(approval, "hash")), 65);
    assert_string_not_equal(old, new);
    assert_int_equal(say(approval, "approve", "bob", old, ""), APPROVAL_STALE);
    old[16] = '\0';
    assert_int_equal(say(approval, "approve", "bob", old, ""), APPROVAL_STALE);
    new[16] = '\0';
    assert_int_equal(say(approval, "approve", "bob", new, ""), APPROVAL_COUNTED);
    assert_int_equal(say(approval, "approve", "ann", new, ""), APPROVAL_DECIDED);
    json_t *result = approval_result(approval);
    assert_true(slice_is(json_text_at(result, "content"), "Fresh figs tomorrow"));
    assert_int_equal(json_integer_value(json_object_get(result, "edits")), 1);
    json_decref(result);
    json_decref(approval);
}

static void a_hash_of_a_few_digits_names_nothing(void **state)
{
    json_t *approval = question(1, false);

    (void)state;
    assert_int_equal(say(approval, "approve", "ann", "0", ""), APPROVAL_STALE);
    assert_int_equal(say(approval, "approve", "ann", "zzzzzzzzzzzz", ""), APPROVAL_STALE);
    assert_int_equal(say(approval, "agree", "ann", "", ""), APPROVAL_WRONG);
    assert_int_equal(say(approval, "edit", "ann", "", ""), APPROVAL_WRONG);
    json_decref(approval);
}

static void time_ends_it_either_way(void **state)
{
    json_t *no = question(1, false), *yes = question(1, true);

    (void)state;
    assert_int_equal(approval_wake_ms(no), begin_ms + 4 * HOUR);
    assert_int_equal(approval_wake(no, begin_ms + 4 * HOUR - 1), APPROVAL_SLEEPS);
    assert_int_equal(approval_wake(no, begin_ms + 4 * HOUR), APPROVAL_REMINDS);
    assert_int_equal(approval_wake_ms(no), begin_ms + 8 * HOUR);
    assert_int_equal(approval_wake(no, begin_ms + 24 * HOUR), APPROVAL_EXPIRES);
    assert_int_equal(approval_wake(yes, begin_ms + 24 * HOUR), APPROVAL_EXPIRES);
    assert_int_equal(approval_wake(yes, begin_ms + 25 * HOUR), APPROVAL_SLEEPS);
    assert_result(no, false, "expired", 0);
    assert_result(yes, true, "expired", 0);
    assert_int_equal(say(no, "approve", "ann", "", ""), APPROVAL_CLOSED);
    json_decref(no);
    json_decref(yes);
}

static void an_answer_after_the_end_is_none_even_before_the_alarm(void **state)
{
    json_t *approval = question(1, false);
    struct approval_vote vote = {.verb = SLICE("approve"),
                                 .via = SLICE("telegram"),
                                 .who = SLICE("ann"),
                                 .at_ms = begin_ms + 24 * HOUR};

    (void)state;
    assert_int_equal(approval_vote(approval, &vote, vote.at_ms), APPROVAL_CLOSED);
    /* Given in time and read late, it counts. */
    vote.at_ms--;
    assert_int_equal(approval_vote(approval, &vote, vote.at_ms + HOUR), APPROVAL_DECIDED);
    json_decref(approval);
}

static void later_moves_the_reminder(void **state)
{
    json_t *approval = question(1, false);

    (void)state;
    assert_int_equal(say(approval, "later", "ann", "", "2h"), APPROVAL_LATER);
    assert_int_equal(approval_wake_ms(approval), begin_ms + 1000 + 2 * HOUR);
    assert_int_equal(say(approval, "later", "ann", "", "2h"), APPROVAL_ALREADY);
    assert_int_equal(say(approval, "later", "ann", "", "soon"), APPROVAL_WRONG);
    assert_int_equal(say(approval, "later", "ann", "", "90d"), APPROVAL_LATER);
    assert_int_equal(approval_wake_ms(approval), begin_ms + 24 * HOUR);
    json_decref(approval);
}

static void reminders_end_and_the_end_stays(void **state)
{
    json_t *approval = question(1, false);
    int64_t now_ms = begin_ms, reminders = 0;

    (void)state;
    json_object_set_new(approval, "remind_ms", json_integer(60000));
    json_object_set_new(approval, "remind_at_ms", json_integer(begin_ms + 60000));
    while (approval_wake_ms(approval) < begin_ms + 24 * HOUR) {
        now_ms = approval_wake_ms(approval);
        assert_int_equal(approval_wake(approval, now_ms), APPROVAL_REMINDS);
        reminders++;
    }
    assert_int_equal(reminders, APPROVAL_ASKS_MAX - 1);
    assert_int_equal(approval_wake(approval, begin_ms + 24 * HOUR), APPROVAL_EXPIRES);
    json_decref(approval);
}

static void a_cancelled_run_asks_nobody(void **state)
{
    json_t *approval = question(1, true);

    (void)state;
    approval_cancel(approval, begin_ms + 5);
    assert_int_equal(say(approval, "approve", "ann", "", ""), APPROVAL_CLOSED);
    assert_result(approval, false, "cancelled", 0);
    json_decref(approval);
}

static void votes_are_bounded_but_a_no_always_counts(void **state)
{
    json_t *approval = question(1, false);

    (void)state;
    for (int i = 0; i < APPROVAL_VOTES_MAX; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%dm", 1 + i);
        assert_int_equal(say(approval, "later", "ann", "", text), APPROVAL_LATER);
    }
    assert_int_equal(say(approval, "approve", "ann", "", ""), APPROVAL_WRONG);
    assert_int_equal(say(approval, "reject", "ann", "", ""), APPROVAL_DECIDED);
    json_decref(approval);
}

static void the_record_survives_its_text(void **state)
{
    json_t *approval = question(2, false), *again;
    struct buffer text = {NULL, 0, 0};

    (void)state;
    say(approval, "approve", "ann", "", "");
    json_write(&text, approval);
    again = approval_read(buffer_slice(&text));
    assert_true(json_equal(approval, again));
    assert_null(approval_read(SLICE("{\"v\":2}")));
    assert_null(approval_read(SLICE("[]")));
    assert_null(approval_read(SLICE("")));
    json_decref(again);
    json_decref(approval);
    buffer_free(&text);
}

static void keys_are_sixteen_digits(void **state)
{
    char key[APPROVAL_KEY_BYTES];
    uint64_t id;

    (void)state;
    approval_key(77, key);
    assert_string_equal(key, "000000000000004d");
    assert_true(approval_key_read(slice_of(key), &id));
    assert_int_equal(id, 77);
    assert_false(approval_key_read(SLICE("000000000000004D"), &id));
    assert_false(approval_key_read(SLICE("4d"), &id));
}

static void the_question_shows_how_it_will_look(void **state)
{
    json_t *approval = question(2, false);
    struct buffer text = {NULL, 0, 0};
    char content[3001];

    (void)state;
    memset(content, 'x', sizeof(content) - 1);
    content[sizeof(content) - 1] = '\0';
    approval_ask_text(approval, 4096, &text);
    buffer_append(&text, "", 1);
    assert_non_null(strstr(text.data, "Approve? post: ask"));
    assert_non_null(strstr(text.data, "instagram, 22 of at most 2200 characters, 1 of at most 30 tags"));
    assert_non_null(strstr(text.data, "Fresh figs today #figs"));
    assert_non_null(strstr(text.data, "2 people must agree."));
    assert_non_null(strstr(text.data, "Approval 77, content "));
    say(approval, "edit", "ann", "", content);
    buffer_clear(&text);
    approval_ask_text(approval, 1000, &text);
    assert_true(text.size <= 1000);
    buffer_append(&text, "", 1);
    assert_non_null(strstr(text.data, "(too many)"));
    assert_non_null(strstr(text.data, "Seen before unfolding: "));
    assert_non_null(strstr(text.data, "[cut here: read the whole text in the console before you agree]"));
    buffer_free(&text);
    json_decref(approval);
}

static void previews_count_characters_not_bytes(void **state)
{
    json_t *preview = approval_preview(SLICE("story"), SLICE("Füße #eins ##zwei a#drei #vier"));

    (void)state;
    assert_int_equal(json_integer_value(json_object_get(preview, "characters")), 30);
    assert_int_equal(json_integer_value(json_object_get(preview, "tags")), 2);
    assert_false(json_is_true(json_object_get(preview, "is_cut")));
    json_decref(preview);
}

static void the_answer_is_told(void **state)
{
    json_t *approval = question(1, false);
    struct buffer text = {NULL, 0, 0};

    (void)state;
    say(approval, "approve", "ann", "", "");
    approval_settled_text(approval, &text);
    buffer_append(&text, "", 1);
    assert_non_null(strstr(text.data, "Approved by ann, 2026-09-21 14:13 UTC"));
    buffer_free(&text);
    json_decref(approval);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_of_the_standard),
        cmocka_unit_test(one_press_decides_and_more_change_nothing),
        cmocka_unit_test(two_must_be_two_people),
        cmocka_unit_test(one_no_ends_it),
        cmocka_unit_test(an_edit_voids_what_was_agreed_to),
        cmocka_unit_test(a_hash_of_a_few_digits_names_nothing),
        cmocka_unit_test(time_ends_it_either_way),
        cmocka_unit_test(an_answer_after_the_end_is_none_even_before_the_alarm),
        cmocka_unit_test(later_moves_the_reminder),
        cmocka_unit_test(reminders_end_and_the_end_stays),
        cmocka_unit_test(a_cancelled_run_asks_nobody),
        cmocka_unit_test(votes_are_bounded_but_a_no_always_counts),
        cmocka_unit_test(the_record_survives_its_text),
        cmocka_unit_test(keys_are_sixteen_digits),
        cmocka_unit_test(the_question_shows_how_it_will_look),
        cmocka_unit_test(previews_count_characters_not_bytes),
        cmocka_unit_test(the_answer_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
