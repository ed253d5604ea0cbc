// SPDX-License-Identifier: MIT
#include "daemon/print.h"
#include "config/options.h"
#include "daemon/print_workflow.h"
#include "proto/client.h"
#include "proto/commands.h"
#include "proto/jobs.h"
#include "proto/metrics.h"
#include "proto/ops.h"
#include <string.h>

const char print_pages[] = "messages|config|metrics|commands|errors|jobs|workflow|schema|example";

static void actors(struct buffer *into, unsigned bits)
{
    const char *separator = "";

    for (unsigned i = 0; i < ACTOR_COUNT; i++)
        if (bits & 1u << i) {
            buffer_printf(into, "%s%s", separator, roster[i].thread);
            separator = ", ";
        }
}

static void fields(struct buffer *into, const struct field_info *field, size_t count)
{
    buffer_text(into, "\n| field | type | meaning |\n|---|---|---|\n");
    for (size_t i = 0; i < count; i++)
        buffer_printf(into, "| `%s` | %s | %s |\n", field[i].name, field[i].type, field[i].doc);
}

static void page_messages(struct buffer *into)
{
    static const char *const flows[] = {"cast", "ask", "reply"};

    buffer_text(into, "# Messages\n\n## Actors\n\n| actor | inbox | duty |\n|---|---|---|\n");
    for (unsigned i = 0; i < ACTOR_COUNT; i++)
        buffer_printf(into, "| %s | %zu messages, %zu KiB a pipe | %s |\n", roster[i].thread,
                      roster[i].inbox_messages_max, roster[i].inbox_bytes_max >> 10, roster[i].doc);
    buffer_text(into, "\n## Of outside clients (docs/protocol.md)\n");
    for (unsigned i = 0; i < CLIENT_COUNT; i++) {
        buffer_printf(into, "\n### %s\n\n%s. %s\n", client_info[i].name,
                      client_info[i].way == CLIENT_WAY_ASK ? "Client to daemon" : "Daemon to client",
                      client_info[i].doc);
        fields(into, client_info[i].fields, client_info[i].field_count);
    }
    buffer_text(into, "\n## Between actors\n");
    for (unsigned i = 0; i < MSG_COUNT; i++) {
        buffer_printf(into, "\n### %s\n\n%s From ", msg_info[i].name, msg_info[i].doc);
        actors(into, msg_info[i].from);
        buffer_text(into, " to ");
        actors(into, msg_info[i].to);
        buffer_printf(into, " (%s).\n", flows[msg_info[i].flow]);
        fields(into, msg_info[i].fields, msg_info[i].field_count);
    }
    buffer_text(into, "\n## Operations of a commit\n");
    for (unsigned i = 0; i < OP_COUNT; i++) {
        buffer_printf(into, "\n### %s\n\n%s\n", op_info[i].name, op_info[i].doc);
        fields(into, op_info[i].fields, op_info[i].field_count);
    }
}

static void page_metrics(struct buffer *into)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    static const char *const labels[] = {"", "error", "status", "actor"};

    buffer_text(into, "# Metrics\n\n| metric | kind | label | meaning |\n|---|---|---|---|\n");
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        buffer_printf(into, "| `%s` | %s | %s | %s |\n", metric_info[i].name, kinds[metric_info[i].kind],
                      labels[metric_info[i].label], metric_info[i].doc);
}

static void page_commands(struct buffer *into)
{
    static const char *const needs[] = {"required", "optional", "flag"};

    buffer_text(into, "# Console commands\n");
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        buffer_printf(into, "\n## purser %s\n\n%s Answered by %s.\n", command_info[i].words, command_info[i].doc,
                      command_info[i].actor < ACTOR_COUNT ? roster[command_info[i].actor].thread
                                                          : "the console itself, with or without a daemon");
        if (command_info[i].arguments->name != NULL)
            buffer_text(into, "\n| argument | need | meaning |\n|---|---|---|\n");
        for (const struct argument_info *a = command_info[i].arguments; a->name != NULL; a++)
            buffer_printf(into, "| `%s` | %s | %s |\n", a->name, needs[a->need], a->doc);
    }
}

static void page_errors(struct buffer *into)
{
    buffer_text(into, "# Errors\n\nThe retry class alone decides what happens to a job that ends with the error.\n\n"
                      "| error | retry class | meaning |\n|---|---|---|\n");
    for (unsigned i = 0; i < ERROR_COUNT; i++)
        buffer_printf(into, "| `%s` | %s | %s |\n", error_name((enum error)i),
                      retry_class_name(error_class((enum error)i)), error_doc((enum error)i));
}

static void page_jobs(struct buffer *into)
{
    buffer_text(
        into, "# Life of a job\n\nEvery legal move; all others are refused.\n\n| from | event | to |\n|---|---|---|\n");
    for (unsigned from = 0; from < JOB_STATE_COUNT; from++)
        for (unsigned event = 0; event < JOB_EVENT_COUNT; event++) {
            enum job_state to = job_next((enum job_state)from, (enum job_event)event);
            if (to != JOB_STATE_COUNT)
                buffer_printf(into, "| %s | %s | %s |\n", job_state_name((enum job_state)from),
                              job_event_name((enum job_event)event), job_state_name(to));
        }
    buffer_text(into, "\n```dot\n");
    job_states_dot(into);
    buffer_text(into, "```\n");
}

bool print_page(const char *what, struct buffer *into)
{
    static const struct {
        const char *name;
        void (*page)(struct buffer *);
    } pages[] = {{"messages", page_messages},      {"config", config_print_reference},
                 {"metrics", page_metrics},        {"commands", page_commands},
                 {"errors", page_errors},          {"jobs", page_jobs},
                 {"workflow", print_workflow},     {"schema", print_schema},
                 {"example", config_print_example}};

    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        if (strcmp(pages[i].name, what) == 0) {
            pages[i].page(into);
            return true;
        }
    return false;
}
