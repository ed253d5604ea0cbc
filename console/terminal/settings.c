// SPDX-License-Identifier: MIT
#include "console/terminal/settings.h"
#include "proto/text/yaml.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char settings_help[] = "  --socket PATH      control socket; default: $PURSER_SOCKET, else ./data/control.sock\n"
                             "  --config FILE      take the control socket and the shop from this purser.yaml\n"
                             "  --endpoint ADDRESS push as a producer does, like tcp://127.0.0.1:8421\n"
                             "  --timeout SECONDS  how long to wait for the daemon; default 10\n"
                             "  --json             print JSON, the daemon's as it came\n"
                             "  --help, --version\n";

enum { TIMEOUT_MS = 10000, TIMEOUT_S_MAX = 3600 };

void settings_init(struct settings *settings, const char *environment)
{
    *settings = (struct settings){.timeout_ms = TIMEOUT_MS};
    snprintf(settings->socket, sizeof(settings->socket), "%s",
             environment != NULL && environment[0] != '\0' ? environment : "data/control.sock");
}

static bool fits(int length, size_t size, const char *what, char *problem, size_t problem_size)
{
    if (length >= 0 && (size_t)length < size)
        return true;
    snprintf(problem, problem_size, "the path of %s is too long", what);
    return false;
}

/* The control socket of a purser.yaml; a relative path starts at the folder of the file. */
static bool read_config(struct settings *settings, const char *file, char *problem, size_t size)
{
    struct text_problem why;
    struct yaml_node *root = yaml_read_file(file, &why);
    const char *slash = strrchr(file, '/');
    int folder = slash != NULL ? (int)(slash - file + 1) : 0;

    if (root == NULL) {
        text_problem_print(&why, problem, size);
        return false;
    }
    const struct yaml_node *direct = yaml_get(root, "control_socket");
    const struct yaml_node *data = yaml_get(root, "data_dir");
    bool is_direct = direct != NULL && direct->kind == YAML_SCALAR && direct->size > 0;
    const char *path = is_direct ? direct->text : data != NULL && data->kind == YAML_SCALAR ? data->text : "data";
    int length = snprintf(settings->socket, sizeof(settings->socket), "%.*s%s%s", path[0] == '/' ? 0 : folder, file,
                          path, is_direct ? "" : "/control.sock");
    yaml_node_free(root);
    return fits(length, sizeof(settings->socket), "the control socket", problem, size);
}

static bool read_timeout(struct settings *settings, const char *value, char *problem, size_t size)
{
    char *end;
    double seconds = strtod(value, &end);

    if (end == value || *end != '\0' || !(seconds > 0) || seconds > TIMEOUT_S_MAX) {
        snprintf(problem, size, "--timeout takes seconds, more than 0 and at most %d", TIMEOUT_S_MAX);
        return false;
    }
    settings->timeout_ms = (int64_t)(seconds * 1000);
    if (settings->timeout_ms == 0)
        settings->timeout_ms = 1;
    return true;
}

static bool set_value(struct settings *settings, const char *name, const char *value, char *problem, size_t size)
{
    if (strcmp(name, "--socket") == 0)
        return fits(snprintf(settings->socket, sizeof(settings->socket), "%s", value), sizeof(settings->socket),
                    "the control socket", problem, size);
    if (strcmp(name, "--endpoint") == 0)
        return fits(snprintf(settings->endpoint, sizeof(settings->endpoint), "%s", value), sizeof(settings->endpoint),
                    "the endpoint", problem, size);
    if (strcmp(name, "--config") == 0)
        return fits(snprintf(settings->config, sizeof(settings->config), "%s", value), sizeof(settings->config),
                    "the configuration", problem, size) &&
               read_config(settings, value, problem, size);
    return read_timeout(settings, value, problem, size);
}

static bool *flag_of(struct settings *settings, const char *word)
{
    if (strcmp(word, "--json") == 0)
        return &settings->json;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return &settings->help;
    if (strcmp(word, "--version") == 0)
        return &settings->version;
    return NULL;
}

/* The option's name when `word` is "--name" or "--name=value" of one that takes a value, else NULL. */
static const char *value_option(const char *word, const char **value)
{
    static const char *const names[] = {"--socket", "--endpoint", "--config", "--timeout"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t length = strlen(names[i]);
        if (strncmp(word, names[i], length) == 0 && (word[length] == '\0' || word[length] == '=')) {
            *value = word[length] == '=' ? word + length + 1 : NULL;
            return names[i];
        }
    }
    return NULL;
}

bool settings_take(struct settings *settings, struct words *words, char *problem, size_t size)
{
    size_t kept = 0, i = 0;

    for (; i < words->count && strcmp(words->at[i], "--") != 0; i++) {
        const char *value, *name = value_option(words->at[i], &value);
        bool *flag = flag_of(settings, words->at[i]);
        if (flag != NULL) {
            *flag = true;
        } else if (name == NULL) {
            words->at[kept++] = words->at[i];
        } else {
            if (value == NULL && i + 1 < words->count)
                value = words->at[++i];
            if (value == NULL) {
                snprintf(problem, size, "%s needs a value", name);
                return false;
            }
            if (!set_value(settings, name, value, problem, size))
                return false;
        }
    }
    while (i < words->count)
        words->at[kept++] = words->at[i++];
    words->count = kept;
    return true;
}
