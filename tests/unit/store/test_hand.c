// SPDX-License-Identifier: MIT
#include "store/hand.h"
#include "tests/unit/store/fixture.h"
#include <fcntl.h>

static void hand_survives_its_process(void **state)
{
    char path[] = "/tmp/purser-hand-XXXXXX";
    struct hand_slot slots[HAND_SLOTS_MAX];
    struct hand *hand;
    int fd = mkstemp(path);

    (void)state;
    close(fd);
    assert_int_equal(hand_read_previous("/nowhere/at/all", slots), 0);
    assert_null(hand_open("/nowhere/at/all", 1, 3, true));
    hand = hand_open(path, 7, 9, true);
    assert_non_null(hand);
    hand_set(hand, 2, HAND_RUNNING, 1234, 55);
    hand_set(hand, 4, HAND_WAITING, 99, 0);
    hand_set(hand, 5, HAND_RUNNING, 1, 0);
    hand_set(hand, 5, HAND_EMPTY, 0, 0);
    hand_close(&hand);
    assert_int_equal(hand_read_previous(path, slots), 2);
    assert_int_equal(slots[0].job, 1234);
    assert_int_equal(slots[0].run, 55);
    assert_int_equal(slots[0].boot, 7);
    assert_int_equal(slots[0].slot, 2);
    assert_int_equal(slots[0].state, HAND_RUNNING);
    assert_int_equal(slots[1].state, HAND_WAITING);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "?", 1, 2 * 64 + 16), 1);
    close(fd);
    assert_int_equal(hand_read_previous(path, slots), 1);
    hand = hand_open(path, 8, 9, false);
    hand_close(&hand);
    assert_int_equal(hand_read_previous(path, slots), 0);
    unlink(path);
}

/* A start that fails before it has charged what ran in the crash, and the one after it. */
static void what_ran_is_kept_until_it_is_charged(void **state)
{
    char path[] = "/tmp/purser-hand-XXXXXX";
    struct hand_slot slots[HAND_SLOTS_MAX];
    struct hand *hand;

    (void)state;
    close(mkstemp(path));
    hand = hand_open(path, 7, 9, false);
    hand_set(hand, 2, HAND_RUNNING, 1234, 55);
    hand_set(hand, 4, HAND_WAITING, 99, 0);
    hand_close(&hand);
    for (unsigned start = 0; start < 3; start++) {
        assert_int_equal(hand_read_previous(path, slots), start == 0 ? 2 : 1);
        assert_int_equal(slots[0].job, 1234);
        assert_int_equal(slots[0].boot, 7);
        assert_int_equal(slots[0].uncharged, start > 0);
        hand = hand_open(path, 8 + start, 9, start != 1); /* it failed, or it crashed too */
        hand_close(&hand);
    }
    hand = hand_open(path, 20, 9, false);
    hand_set(hand, 2, HAND_RUNNING, 77, 0);
    assert_int_equal(hand_read_previous(path, slots), 2);
    hand_charged(hand);
    assert_int_equal(hand_read_previous(path, slots), 1);
    assert_int_equal(slots[0].job, 77);
    assert_false(slots[0].uncharged);
    hand_close(&hand);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(hand_survives_its_process),
                                       cmocka_unit_test(what_ran_is_kept_until_it_is_charged)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
