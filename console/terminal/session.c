// SPDX-License-Identifier: MIT
#include "console/terminal/session.h"
#include "console/terminal/follow.h"
#include "console/terminal/help.h"
#include "console/terminal/offline.h"
#include "console/terminal/view.h"
#include "console/terminal/width.h"
#include "proto/errors.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONNECT_MS = 1000, LINE_BYTES_MAX = 1 << 20 };

static int exit_code_of(const struct purser_answer *answer)
{
    switch (answer->outcome) {
    case PURSER_ACCEPTED:
    case PURSER_DUPLICATE:
        return SESSION_OK;
    case PURSER_FULL:
        return SESSION_REFUSED;
    case PURSER_REFUSED:
        return strcmp(answer->error, error_name(ERROR_TIMEOUT)) == 0 ? SESSION_NO_ANSWER : SESSION_REFUSED;
    case PURSER_UNREACHABLE:
        return SESSION_UNREACHABLE;
    case PURSER_NO_ANSWER:
        return SESSION_NO_ANSWER;
    }
    return SESSION_NO_ANSWER;
}

static void print(FILE *file, struct buffer *text)
{
    if (text->size > 0)
        fwrite(text->data, 1, text->size, file);
    buffer_free(text);
}

static void print_problem(FILE *problems, const char *error, struct slice message)
{
    struct buffer line = {NULL, 0, 0};

    buffer_printf(&line, "purser: %s%s", error, error[0] != '\0' ? ": " : "");
    width_clean(&line, message, false, 0);
    buffer_text(&line, "\n");
    print(problems, &line);
}

/* What is made for a file (calendar export) goes there byte by byte; on a terminal it is cleaned like all else. */
static bool put_file(struct buffer *into, const json_t *value, FILE *out)
{
    struct slice file = json_text_at(value, "ics");

    if (file.size == 0 || isatty(fileno(out)))
        return false;
    buffer_append(into, file.data, file.size);
    return true;
}

static int command_result(const struct settings *settings, enum command_id command, struct buffer *body,
                          const struct purser_answer *answer, FILE *out, FILE *problems)
{
    struct json_problem why;
    json_t *value = body->size > 0 ? json_read(buffer_slice(body), &why) : NULL;
    struct buffer text = {NULL, 0, 0};

    if (settings->json) {
        buffer_append(&text, body->data, body->size);
        if (body->size > 0)
            buffer_text(&text, "\n");
    } else if (answer->outcome == PURSER_ACCEPTED && put_file(&text, value, out)) {
        if (json_object_size(value) > 1)
            print_problem(problems, "", SLICE("not everything is in it; export one channel"));
    } else if (answer->outcome == PURSER_ACCEPTED && value != NULL) {
        view_show(&text, command, value);
    } else if (answer->outcome == PURSER_ACCEPTED) {
        width_clean(&text, buffer_slice(body), true, 0);
    }
    print(out, &text);
    if (answer->outcome != PURSER_ACCEPTED)
        print_problem(problems, answer->error, slice_of(answer->message));
    json_decref(value);
    return exit_code_of(answer);
}

static void ask_daemon(const struct settings *settings, enum command_id command, const json_t *arguments,
                       struct buffer *body, struct purser_answer *answer)
{
    struct purser_options options = {"purser", settings->timeout_ms, CONNECT_MS, 0};
    struct buffer text = {NULL, 0, 0};
    char endpoint[sizeof(settings->socket) + 8];

    snprintf(endpoint, sizeof(endpoint), "ipc://%s", settings->socket);
    struct purser *purser = purser_open(endpoint, &options, answer);
    if (purser != NULL) {
        json_write(&text, arguments);
        purser_command(purser, command_info[command].words, buffer_slice(&text), body, answer);
        purser_close(&purser);
    }
    buffer_free(&text);
}

int session_ask(const struct settings *settings, enum command_id command, const json_t *arguments, json_t **value,
                FILE *problems)
{
    struct buffer body = {NULL, 0, 0};
    struct purser_answer answer;
    struct json_problem why;

    ask_daemon(settings, command, arguments, &body, &answer);
    *value = answer.outcome == PURSER_ACCEPTED ? json_read(buffer_slice(&body), &why) : NULL;
    buffer_free(&body);
    if (answer.outcome != PURSER_ACCEPTED)
        print_problem(problems, answer.error, slice_of(answer.message));
    else if (*value == NULL)
        print_problem(problems, "", slice_of("the daemon's answer is no JSON"));
    return *value != NULL ? SESSION_OK : answer.outcome == PURSER_ACCEPTED ? SESSION_REFUSED : exit_code_of(&answer);
}

static int run_command(const struct settings *settings, const struct request *request, FILE *out, FILE *problems)
{
    struct buffer body = {NULL, 0, 0};
    struct purser_answer answer;

    ask_daemon(settings, request->command, request->arguments, &body, &answer);
    int exit_code = command_result(settings, request->command, &body, &answer, out, problems);
    buffer_free(&body);
    return exit_code;
}

/* As a producer does it: the same push over the public door. */
static int run_push(const struct settings *settings, const struct request *request, FILE *out, FILE *problems)
{
    struct purser_options options = {"purser", settings->timeout_ms, CONNECT_MS, 0};
    struct purser_answer answer;
    struct purser *purser = purser_open(settings->endpoint, &options, &answer);

    if (purser != NULL) {
        purser_push(purser,
                    &(struct purser_push){.queue = json_text_at(request->arguments, "queue"),
                                          .content_type = SLICE("application/json"),
                                          .job = {.id = json_text_at(request->arguments, "id"),
                                                  .key = json_text_at(request->arguments, "key"),
                                                  .payload = json_text_at(request->arguments, "payload")},
                                          .priority = PURSER_PRIORITY_USUAL},
                    &answer);
        purser_close(&purser);
    }
    const char *outcome = purser_outcome_name(answer.outcome);
    if (exit_code_of(&answer) != SESSION_OK)
        print_problem(problems, answer.error[0] != '\0' ? answer.error : outcome, slice_of(answer.message));
    else if (settings->json)
        fprintf(out, "{\"job\":%llu,\"outcome\":\"%s\"}\n", (unsigned long long)answer.job, outcome);
    else if (answer.outcome == PURSER_DUPLICATE)
        fprintf(out, "duplicate: %s\n", answer.message);
    else
        fprintf(out, "accepted: job %llu\n", (unsigned long long)answer.job);
    return exit_code_of(&answer);
}

static int run_help(const struct words *words, FILE *out, FILE *problems)
{
    struct buffer text = {NULL, 0, 0};
    char problem[400];
    size_t used;

    if (words->count == 0) {
        help_all(&text);
    } else {
        enum command_id command = request_find(words, &used, problem, sizeof(problem));
        if (command == COMMAND_COUNT) {
            print_problem(problems, "", slice_of(problem));
            return SESSION_USAGE;
        }
        help_command(&text, command);
    }
    print(out, &text);
    return SESSION_OK;
}

int session_run(const struct settings *settings, const struct words *words, FILE *out, FILE *problems)
{
    struct words rest = *words;
    struct request request;
    char problem[400];
    int exit_code;

    if (settings->version) {
        fprintf(out, "purser %s\n", PURSER_VERSION);
        return SESSION_OK;
    }
    if (settings->help || (words->count > 0 && strcmp(words->at[0], "help") == 0)) {
        bool word = words->count > 0 && strcmp(words->at[0], "help") == 0;
        rest.count -= word;
        memmove(rest.at, rest.at + word, rest.count * sizeof(rest.at[0]));
        return run_help(&rest, out, problems);
    }
    if (!request_read(words, &request, problem, sizeof(problem))) {
        print_problem(problems, "", slice_of(problem));
        return SESSION_USAGE;
    }
    offline_command *offline = offline_find(request.command);
    if (offline != NULL) {
        exit_code = offline(settings, request.arguments, out, problems);
    } else if (request.command == COMMAND_RUN_SHOW && json_is_true(json_object_get(request.arguments, "follow"))) {
        exit_code = follow_run(settings, request.arguments, out, problems);
    } else if (settings->endpoint[0] == '\0') {
        exit_code = run_command(settings, &request, out, problems);
    } else if (request.command == COMMAND_PUSH) {
        exit_code = run_push(settings, &request, out, problems);
    } else {
        print_problem(problems, "", slice_of("--endpoint is for push; other commands use the control socket"));
        exit_code = SESSION_USAGE;
    }
    request_free(&request);
    return exit_code;
}

/* One line of the prompt, with the options that were given at the start as its own. */
static int run_line(const struct settings *settings, struct slice line, FILE *out, int before)
{
    struct settings own = *settings;
    struct words words;
    char problem[700];
    int exit_code = SESSION_USAGE;

    if (!words_split(line, &words, problem, sizeof(problem)) || !settings_take(&own, &words, problem, sizeof(problem)))
        print_problem(out, "", slice_of(problem));
    else if (words.count == 0 && !own.help && !own.version)
        exit_code = before;
    else
        exit_code = session_run(&own, &words, out, out);
    words_free(&words);
    return exit_code;
}

static bool is_end(const char *line)
{
    return strcmp(line, "exit\n") == 0 || strcmp(line, "quit\n") == 0;
}

int session_shell(const struct settings *settings, FILE *in, FILE *out)
{
    char *line = xcalloc(1, LINE_BYTES_MAX);
    int exit_code = SESSION_OK;

    fprintf(out, "purser %s at %s. \"help\" lists the commands, \"exit\" leaves.\n", PURSER_VERSION, settings->socket);
    for (;;) {
        fprintf(out, "purser> ");
        fflush(out);
        if (fgets(line, LINE_BYTES_MAX, in) == NULL)
            break;
        if (is_end(line))
            break;
        exit_code = run_line(settings, slice_of(line), out, exit_code);
    }
    if (feof(in))
        fprintf(out, "\n");
    free(line);
    return exit_code;
}
