// SPDX-License-Identifier: MIT
#include "config/options.h"

static const char *const type_names[] = {"text", "path", "choice", "secret", "flag", "integer", "duration", "size"};

static void print_range(struct buffer *into, const struct option_info *option)
{
    if (option->type == OPTION_choice) {
        for (const char *at = option->min; *at != '\0'; at++)
            buffer_append(into, *at == '|' ? ", " : at, *at == '|' ? 2 : 1);
    } else if (option->type == OPTION_flag) {
        buffer_text(into, "true, false");
    } else if (option->type >= OPTION_integer) {
        buffer_printf(into, "%s to %s", option->min, option->max);
    } else {
        buffer_printf(into, "%s to %s bytes", option->min, option->max);
    }
}

void config_print_reference(struct buffer *into)
{
    buffer_text(into, "# Settings\n\nPrinted by `purserd --print config` from `config/options.def`.\n\n"
                      "| key | type | default | allowed | meaning |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_info *option = &option_info[i];
        buffer_printf(into, "| `%s` | %s | ", option->name, type_names[option->type]);
        if (option->standard[0] != '\0')
            buffer_printf(into, "`%s`", option->standard);
        else
            buffer_text(into, "empty");
        buffer_text(into, " | ");
        print_range(into, option);
        buffer_printf(into, " | %s |\n", option->doc);
    }
}

static const char example_sections[] =
    "\n# Endpoints that take webhooks: POST /hooks/NAME. `secret` names a secret; during a rotation `old_secret` is\n"
    "# accepted too. Shopify signs the body, not the headers, so the topic is best fixed here.\n"
    "hooks: {}\n"
    "#  orders-create:\n"
    "#    scheme: shopify\n"
    "#    topic: orders/create\n"
    "#    shop: my-shop.myshopify.com\n"
    "#    secret: shopify/webhook\n"
    "#  stock:\n"
    "#    scheme: hmac-sha256\n"
    "#    secret: stock/webhook\n"
    "#    header: X-Signature-256\n"
    "#    encoding: hex\n"
    "\n# Channels of the content calendar: when they post, and how many entries a slot takes (docs/calendar.md).\n"
    "channels: {}\n"
    "#  instagram: {slots: [\"0 9 * * *\", \"0 19 * * *\"], capacity: 1, zone: Europe/Berlin}\n"
    "\n# Days on which no slot fires.\n"
    "holidays: []\n"
    "#  - \"12-24..12-26\"\n"
    "\n# Who may answer approvals. `telegram` is the person's user id there; with `gets_asked` questions go to their\n"
    "# own chat too, not only to telegram_chat.\n"
    "approvers: {}\n"
    "#  ann: {telegram: \"123456789\", gets_asked: true}\n"
    "\n# Hosts that http steps may call, each with the one secret that may be sent there (docs/connectors.md).\n"
    "http_hosts: {}\n"
    "#  api.example.com: {secret: crm/key}\n"
    "\n# Queues that producers may push to.\n"
    "queues: {}\n"
    "#  imports: {ordered: true, attempts: 8, depth_max: 10000}\n"
    "\n# What a gate (service/account) lets through; entries here win over limits_file.\n"
    "limits: {}\n"
    "#  gemini/default: {window: {count: 10, per: 1m}, per_day: 20, concurrency: 2}\n"
    "\n# Switches a workflow without touching its file: off, shadow (everything but the outside effect) or live.\n"
    "modes: {}\n"
    "#  order-confirmation: live\n";

void config_print_example(struct buffer *into)
{
    buffer_text(into, "# purser.yaml: every setting at its default. Relative paths start at this file's folder.\n"
                      "# Printed by `purserd --print example`; the same as a table: docs/reference/config.md.\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_info *option = &option_info[i];
        bool plain = option->type >= OPTION_choice && option->type != OPTION_secret;
        const char *quote = plain ? "" : "\"";
        buffer_printf(into, "\n# %s (%s; ", option->doc, type_names[option->type]);
        print_range(into, option);
        buffer_printf(into, ")\n%s: %s%s%s\n", option->name, quote, option->standard, quote);
    }
    buffer_text(into, example_sections);
}
