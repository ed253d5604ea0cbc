// SPDX-License-Identifier: MIT
#include "console/terminal/offline.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* Runs a line as the console does, with no daemon anywhere near. */
static int run_line(const char *line, char **out, char **problems)
{
    struct settings settings;
    struct words words;
    char problem[700];
    size_t out_size, problems_size;
    FILE *out_file = open_memstream(out, &out_size), *problems_file = open_memstream(problems, &problems_size);
    int exit_code;

    settings_init(&settings, "/nonexistent/control.sock");
    assert_true(words_split(slice_of(line), &words, problem, sizeof problem));
    assert_true(settings_take(&settings, &words, problem, sizeof problem));
    exit_code = session_run(&settings, &words, out_file, problems_file);
    words_free(&words);
    fclose(out_file);
    fclose(problems_file);
    return exit_code;
}

struct line_case {
    const char *line, *out, *problem; /* `problem` is a part of it; "": nothing was said */
    int exit_code;
};

static void check_lines(const struct line_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *out, *problems;
        int exit_code = run_line(cases[i].line, &out, &problems);
        if (exit_code != cases[i].exit_code || strcmp(out, cases[i].out) != 0 ||
            strstr(problems, cases[i].problem) == NULL || (cases[i].problem[0] == '\0' && problems[0] != '\0'))
            fail_msg("%s: %d\n%s%s", cases[i].line, exit_code, out, problems);
        free(out);
        free(problems);
    }
}

static void schedules_are_told(void **state)
{
    static const struct line_case cases[] = {
        {"schedule next '0 9 * * *' --zone Europe/Berlin --from 2026-03-28T00:00:00Z --count 3",
         "2026-03-28T09:00:00+01:00\n2026-03-29T09:00:00+02:00\n2026-03-30T09:00:00+02:00\n", "", SESSION_OK},
        {"schedule next '30 3 * * *' --zone Europe/Berlin --from 2026-03-28T12:00:00Z --count 1",
         "2026-03-29T03:30:00+02:00\n", "", SESSION_OK},
        {"schedule next @daily --from 2026-03-28T00:00:00Z --count 2 --json",
         "{\"cron\":\"@daily\",\"times\":[\"2026-03-29T00:00:00+00:00\",\"2026-03-30T00:00:00+00:00\"],"
         "\"zone\":\"UTC\"}\n",
         "", SESSION_OK},
        {"schedule next '0 9 * * *' --from 2026-12-23T12:00:00Z --count 1 --except '12-24..12-26, 2026-12-27'",
         "2026-12-28T09:00:00+00:00\n", "", SESSION_OK},
        {"schedule next '* */3 * * *' --from 2026-01-01T00:00:00Z --count 1", "2026-01-01T00:01:00+00:00\n",
         "warning: fires every minute of 8 hours a day, 480 times a day; did you mean 0 */3 * * *?\n", SESSION_OK},
        {"schedule next '0 0 29 2 *' --from 9992-03-01T00:00:00Z --count 2", "9996-02-29T00:00:00+00:00\n",
         "warning: there are no more times", SESSION_OK},
        {"schedule next '0 0 30 2 *'", "", "purser: cron: no month named here has such a day", SESSION_REFUSED},
        {"schedule next '0 9 * * *' --zone Berlin", "", "purser: zone: there is no time zone \"Berlin\"",
         SESSION_REFUSED},
        {"schedule next '0 9 * * *' --from tomorrow", "", "write one with its offset", SESSION_REFUSED},
        {"schedule next '0 9 * * *' --count 0", "", "write 1 to 10000", SESSION_REFUSED},
        {"schedule next '0 9 * * *' --count 10001", "", "write 1 to 10000", SESSION_REFUSED},
        {"schedule next '0 9 * * *' --except 12-32", "", "except: \"12-32\" is no day", SESSION_REFUSED},
        {"schedule next", "", "schedule next needs cron", SESSION_USAGE},
        {"schedule next '0 9 * * *' --colour red", "", "has no option --colour", SESSION_USAGE},
        {"schedule explain '0 9 * * 7x'", "", "the day of week field", SESSION_REFUSED},
    };
    char *out, *problems;

    (void)state;
    check_lines(cases, sizeof cases / sizeof *cases);
    assert_int_equal(run_line("schedule explain '0 9 * * MON-FRI' --zone Europe/Berlin", &out, &problems), SESSION_OK);
    assert_non_null(
        strstr(out, "at 09:00 from Monday to Friday, Europe/Berlin\n1 time on each of its days\nnext:\n  "));
    free(out);
    free(problems);
}

static void expressions_are_evaluated(void **state)
{
    char path[] = "/tmp/purser-test-XXXXXX", line[200], *out, *problems;
    static const char text[] = "{\"order\":{\"total\":19900,\"name\":\"C\\u00fcp\",\"tags\":[1,2]},\"count\":3}";
    static const struct line_case cases[] = {
        {"expr '1 + 1'", "2\n", "", SESSION_OK},
        {"expr nil", "null\n", "", SESSION_OK},
        {"expr 'sum({{n = 1}, {n = 2}}, \"n\")'", "3\n", "", SESSION_OK},
        {"expr 'Total {{ 1 + 1 }}'", "Total 2\n", "", SESSION_OK},
        {"expr 'Total {{ nope }}'", "", "there is no name \"nope\"", SESSION_REFUSED},
        {"expr 'now > 1700000000000'", "true\n", "", SESSION_OK},
        {"expr 'lines\nof' --json", "", "1:", SESSION_REFUSED},
        {"expr '(function() while true do end end)()'", "", "more than 200000 steps", SESSION_REFUSED},
        {"expr '1 +\n+'", "", "purser: ", SESSION_REFUSED},
        {"expr 'x {{ 1'", "", "purser: 1:3: the expression is not closed", SESSION_REFUSED},
        {"expr 1 --with /nonexistent/file", "", "/nonexistent/file: No such file", SESSION_REFUSED},
        {"expr", "", "expr needs expression", SESSION_USAGE},
    };
    static const struct line_case with[] = {
        {"order.total + count", "19903\n", "", SESSION_OK},
        {"order.name", "C\xc3\xbcp\n", "", SESSION_OK},
        {"A {{ order.name }} of {{ money(order.total, \"EUR\") }}", "A C\xc3\xbcp of 199.00 EUR\n", "", SESSION_OK},
        {"order.tags", "[1,2]\n", "", SESSION_OK},
        {"1 + ordr.total", "", "purser: 1:5: there is no name \"ordr\" here; did you mean \"order\"?", SESSION_REFUSED},
    };
    int fd = mkstemp(path);

    (void)state;
    check_lines(cases, sizeof cases / sizeof *cases);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        struct line_case one = with[i];
        snprintf(line, sizeof line, "expr --with %s '%s'", path, with[i].line);
        one.line = line;
        check_lines(&one, 1);
    }
    snprintf(line, sizeof line, "expr order.name --json --with=%s", path);
    assert_int_equal(run_line(line, &out, &problems), SESSION_OK);
    assert_string_equal(out, "\"C\xc3\xbcp\"\n");
    free(out);
    free(problems);
    assert_int_equal(ftruncate(fd, 3), 0);
    snprintf(line, sizeof line, "expr 1 --with @%s", path);
    assert_int_equal(run_line(line, &out, &problems), SESSION_REFUSED);
    assert_non_null(strstr(problems, path));
    free(out);
    free(problems);
    close(fd);
    unlink(path);
}

static void each_command_is_done_by_someone(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COMMAND_COUNT; i++)
        assert_int_equal(offline_find((enum command_id)i) != NULL, (unsigned)command_info[i].actor == ACTOR_CONSOLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules_are_told),
        cmocka_unit_test(expressions_are_evaluated),
        cmocka_unit_test(each_command_is_done_by_someone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
