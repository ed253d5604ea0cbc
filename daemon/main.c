// SPDX-License-Identifier: MIT
/* purserd: options, then either a page, a check, the guardian or the engine. */
#include "config/secrets.h"
#include "config/workflows.h"
#include "daemon/guardian.h"
#include "daemon/print.h"
#include "daemon/start.h"
#include "runtime/engine.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: purserd [--config FILE] [--check | --print PAGE | --foreground | --version | --help]\n"
    "  --config FILE   configuration; /etc/purser/purser.yaml by default\n"
    "  --check         reads the configuration and all it names, says what is wrong, starts nothing\n"
    "  --print PAGE    prints a reference page: %s\n"
    "  --foreground    runs the engine without its guardian (for debuggers)\n"
    "Exit codes: 0 stopped in order, 2 usage, 3 did not start, 4 an actor failed for good, 5 the stop "
    "took too long.\n";

struct arguments {
    const char *config, *page;
    bool check, foreground, engine, help, version;
    struct engine_start start;
};

/* The guardian appends: --engine FD EXIT SAFE. Three plain words at the end, which getopt leaves alone. */
static bool parse_engine(int argc, char **argv, struct arguments *arguments)
{
    long words[3];

    if (argc - optind != 3)
        return false;
    for (int i = 0; i < 3; i++) {
        char *end;
        errno = 0;
        words[i] = strtol(argv[optind + i], &end, 10);
        if (errno != 0 || *end != '\0' || words[i] < 0 || words[i] > 1000000)
            return false;
    }
    arguments->start.guardian_fd = (int)words[0];
    arguments->start.last_exit = (enum engine_exit)words[1];
    arguments->start.safe_mode = words[2] != 0;
    return true;
}

static bool parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"config", 1, NULL, 'c'}, {"check", 0, NULL, 'k'},   {"print", 1, NULL, 'p'}, {"foreground", 0, NULL, 'f'},
        {"engine", 0, NULL, 'e'}, {"version", 0, NULL, 'v'}, {"help", 0, NULL, 'h'},  {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'c')
            arguments->config = optarg;
        else if (option == 'p')
            arguments->page = optarg;
        else if (option == 'k')
            arguments->check = true;
        else if (option == 'f')
            arguments->foreground = true;
        else if (option == 'e')
            arguments->engine = true;
        else if (option == 'v')
            arguments->version = true;
        else if (option == 'h')
            arguments->help = true;
        else
            return false;
    }
    return arguments->engine ? parse_engine(argc, argv, arguments) : optind == argc;
}

static int print(const char *page)
{
    struct buffer text = {NULL, 0, 0};

    if (!print_page(page, &text)) {
        fprintf(stderr, "purserd: no page \"%s\"; there are %s\n", page, print_pages);
        return 2;
    }
    bool ok = fwrite(text.data, 1, text.size, stdout) == text.size && fflush(stdout) == 0;
    buffer_free(&text);
    return ok ? 0 : 1;
}

/* A secret that cannot be read now stops nothing: what needs it waits and goes on once the file is there. Yet an owner
 * who checks wants to hear of it. */
static void warn_of_secret(const struct config *config, const char *name)
{
    char value[SECRET_BYTES_MAX];
    size_t size;

    if (name == NULL || name[0] == '\0')
        return;
    enum secret_state state = secrets_read(config, slice_of(name), value, sizeof(value), &size);
    secrets_wipe(value, sizeof(value));
    if (state != SECRET_OK)
        printf("warning: secret %s in %s: %s\n", name, config->secrets_dir, secret_state_doc(state));
}

static void say_good(const char *path, const struct config *config)
{
    struct buffer doubts = {NULL, 0, 0};

    printf("%s: good; %zu workflows, %zu hooks, %zu queues\n", path, config->workflow_count, config->hook_count,
           config->queue_count);
    warn_of_secret(config, config->gemini_key);
    warn_of_secret(config, config->mail_password);
    for (size_t i = 0; i < config->hook_count; i++) {
        warn_of_secret(config, config->hooks[i].secret);
        warn_of_secret(config, config->hooks[i].old_secret);
    }
    for (size_t i = 0; i < config->http_host_count; i++)
        warn_of_secret(config, config->http_hosts[i].secret);
    workflows_warn(config->workflows, config->workflow_count, &doubts);
    if (doubts.size > 0)
        fwrite(doubts.data, 1, doubts.size, stdout);
    buffer_free(&doubts);
}

static int with_config(const struct arguments *arguments)
{
    struct text_problem problem;
    char place[700];
    struct config *config = config_load(arguments->config, &problem);

    if (config == NULL) {
        text_problem_print(&problem, place, sizeof(place));
        fprintf(stderr, "purserd: %s\n", place);
        return ENGINE_START_FAILED;
    }
    int code = 0;
    if (arguments->check)
        say_good(arguments->config, config);
    else
        code = start_engine(config, &arguments->start);
    config_free(&config);
    return code;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.config = "/etc/purser/purser.yaml", .start = {.guardian_fd = -1}};

    if (!parse(argc, argv, &arguments)) {
        fprintf(stderr, usage, print_pages);
        return 2;
    }
    if (arguments.help)
        return printf(usage, print_pages) < 0;
    if (arguments.version)
        return puts("purserd " PURSER_VERSION) < 0;
    if (arguments.page != NULL)
        return print(arguments.page);
    if (arguments.check || arguments.foreground || arguments.engine)
        return with_config(&arguments);
    return guardian_run(argc, argv);
}
