// SPDX-License-Identifier: MIT
/* What a step can do in the shop, by its action. Everything here may be repeated without harm: tags are a set, a note
 * is read before it is written, a subscription that is there is refused by Shopify, and the rest only reads. */
#include "connectors/shopify/admin_order.h"
#include "connectors/shopify/graphql.h"
#include "connectors/shopify/shopify.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    /* Which call of a job an answer belongs to. */
    MARK_SECOND = 1,      /* the second call of an action */
    MARK_TOKEN = 2,       /* a token is fetched */
    MARK_TOKEN_TRIED = 4, /* one was fetched before, in this try of the job */

    PAGE = 100,
    SETTLE_S = 300,
    NOTE_MAX = 5000,
    TAGS_MAX = 250,
    HOOKS_MAX = 60,
    DATE_ROOM = 32,
};

struct action {
    const char *name;
    /* The first call. */
    void (*ask)(const struct shopify_turn *turn, unsigned mark);
    /* Its answer: the end, or the second call. */
    void (*tell)(const struct shopify_turn *turn, const struct graphql_answer *read);
    /* The answer of the second call; NULL when there is none. */
    void (*told_more)(const struct shopify_turn *turn, const struct graphql_answer *read);
};

/* ---- ends ---- */

static void done(const struct shopify_turn *turn, json_t *result)
{
    turn->step->kind = STEP_DONE;
    turn->step->error = ERROR_OK;
    turn->step->result = result;
}

static void invalid(const struct shopify_turn *turn, const char *why)
{
    step_fail(turn->scratch, turn->step, ERROR_INVALID, "%s", why);
}

/* True (and the step is refused) when the mutation's own errors say no. */
static bool is_refused(const struct shopify_turn *turn, const json_t *payload)
{
    char text[GRAPHQL_TEXT_MAX];

    if (!json_is_object(payload))
        step_fail(turn->scratch, turn->step, ERROR_GARBLED, "Shopify: the answer does not say what became of it");
    else if (graphql_user_error(payload, text))
        step_fail(turn->scratch, turn->step, ERROR_REFUSED, "Shopify: %s", text);
    else
        return false;
    return true;
}

static unsigned second_mark(const struct shopify_turn *turn)
{
    return MARK_SECOND | (turn->job->mark & MARK_TOKEN_TRIED);
}

static const json_t *input_of(const struct shopify_turn *turn, const char *name)
{
    return json_object_get(json_object_get(turn->job->inputs, "input"), name);
}

static struct slice text_of(const json_t *value)
{
    return (struct slice){json_string_value(value), json_string_length(value)};
}

static bool order_id(const struct shopify_turn *turn, char id[96])
{
    if (graphql_id(input_of(turn, "order"), "Order", id))
        return true;
    invalid(turn, "input.order must be the id of an order");
    return false;
}

/* ---- tag ---- */

static json_t *tags_of(const json_t *given)
{
    struct slice text = text_of(given);
    json_t *tags;

    if (json_is_array(given))
        return json_deep_copy(given);
    tags = json_array();
    while (text.size > 0) {
        const char *comma = memchr(text.data, ',', text.size);
        size_t size = comma != NULL ? (size_t)(comma - text.data) : text.size, begin = 0, end = size;
        while (begin < end && text.data[begin] == ' ')
            begin++;
        while (end > begin && text.data[end - 1] == ' ')
            end--;
        if (end > begin)
            json_array_append_new(tags, json_stringn(text.data + begin, end - begin));
        text = (struct slice){text.data + size + (comma != NULL), text.size - size - (comma != NULL)};
    }
    return tags;
}

static bool tags_fit(const json_t *tags)
{
    for (size_t i = 0; i < json_array_size(tags); i++)
        if (json_string_length(json_array_get(tags, i)) == 0)
            return false;
    return json_array_size(tags) > 0 && json_array_size(tags) <= TAGS_MAX;
}

static void tag_ask(const struct shopify_turn *turn, unsigned mark)
{
    char id[96];
    json_t *tags;

    if (!order_id(turn, id))
        return;
    tags = tags_of(input_of(turn, "tags"));
    if (tags_fit(tags)) {
        graphql_request(
            turn,
            "mutation($id: ID!, $tags: [String!]!) { tagsAdd(id: $id, tags: $tags) { node { id } userErrors "
            "{ field message } } }",
            json_pack("{s:s, s:O}", "id", id, "tags", tags), mark);
    } else {
        invalid(turn, "input.tags must be 1 to 250 tags: a list of texts, or one text with commas");
    }
    json_decref(tags);
}

static void tag_tell(const struct shopify_turn *turn, const struct graphql_answer *read)
{
    if (!is_refused(turn, json_object_get(read->data, "tagsAdd")))
        done(turn, json_pack("{s:O?}", "order", input_of(turn, "order")));
}

/* ---- note ---- */

static void note_ask(const struct shopify_turn *turn, unsigned mark)
{
    struct slice note = text_of(input_of(turn, "note"));
    char id[96];

    if (!order_id(turn, id))
        return;
    if (note.size == 0 || note.size > NOTE_MAX)
        invalid(turn, "input.note must be a text of 1 to 5000 bytes");
    else
        graphql_request(turn, "query($id: ID!) { order(id: $id) { id note } }", json_pack("{s:s}", "id", id), mark);
}

/* What the merchant wrote stays: ours comes below it, once. */
static void note_tell(const struct shopify_turn *turn, const struct graphql_answer *read)
{
    struct slice note = text_of(input_of(turn, "note")), old = json_text_at(read->data, "order.note");
    struct buffer text = {NULL, 0, 0};
    bool replaces = json_is_true(input_of(turn, "replace"));

    if (!json_is_object(json_object_get(read->data, "order"))) {
        step_fail(turn->scratch, turn->step, ERROR_NOT_FOUND, "Shopify: there is no such order");
        return;
    }
    if (replaces ? slice_equal(old, note) : old.size > 0 && memmem(old.data, old.size, note.data, note.size) != NULL) {
        done(turn, json_pack("{s:O?, s:b}", "order", input_of(turn, "order"), "changed", 0));
        return;
    }
    if (!replaces && old.size > 0) {
        buffer_append(&text, old.data, old.size);
        buffer_text(&text, "\n");
    }
    buffer_append(&text, note.data, note.size);
    json_t *input = json_pack("{s:O, s:s%}", "id", json_at(read->data, "order.id"), "note", text.data, text.size);
    buffer_free(&text);
    if (input == NULL) {
        step_fail(turn->scratch, turn->step, ERROR_GARBLED, "Shopify: the order has no id");
        return;
    }
    graphql_request(turn,
                    "mutation($input: OrderInput!) { orderUpdate(input: $input) { order { id } userErrors { field "
                    "message } } }",
                    json_pack("{s:o}", "input", input), second_mark(turn));
}

static void note_told_more(const struct shopify_turn *turn, const struct graphql_answer *read)
{
    if (!is_refused(turn, json_object_get(read->data, "orderUpdate")))
        done(turn, json_pack("{s:O?, s:b}", "order", input_of(turn, "order"), "changed", 1));
}

/* ---- order, product ---- */

static void order_request(const struct shopify_turn *turn, int lines, unsigned mark)
{
    char id[96];

    if (order_id(turn, id))
        graphql_request(turn, admin_order_query, json_pack("{s:s, s:i}", "id", id, "n", lines), mark);
}

static void order_ask(const struct shopify_turn *turn, unsigned mark)
{
    order_request(turn, ADMIN_LINES, mark);
}

static void order_told_more(const struct shopify_turn *turn, const struct graphql_answer *read)
{
    const json_t *order = json_object_get(read->data, "order");

    done(turn, json_pack("{s:s%, s:o}", "shop", turn->settings->shop.data, turn->settings->shop.size, "order",
                         json_is_object(order) ? admin_order_body(order) : json_null()));
}

static void order_tell(const struct shopify_turn *turn, const struct graphql_answer *read)
{
    if (json_is_true(json_at(read->data, "order.lineItems.pageInfo.hasNextPage")))
        order_request(turn, ADMIN_LINES_MAX, second_mark(turn));
    else
        order_told_more(turn, read);
}

static void product_ask(const struct shopify_turn *turn, unsigned mark)
{
    char id[96];

    if (graphql_id(input_of(turn, "product"), "Product", id))
        graphql_request(turn, admin_product_query, json_pack("{s:s}", "id", id), mark);
    else
        invalid(turn, "input.product must be the id of a product");
}

static void product_tell(const struct shopify_turn *turn, const struct graphql_answer *read)
{
    const json_t *product = json_object_get(read->data, "product");

    done(turn, json_pack("{s:o}", "product", json_is_object(product) ? admin_product(product) : json_null()));
}

/* ---- reconcile ---- */

static void date_print(int64_t ms, char text[DATE_ROOM])
{
    int64_t seconds = ms >= 0 ? ms / 1000 : 0;
    struct civil_date date = civil_from_days(seconds / 86400);
    int rest = (int)(seconds % 86400);

    snprintf(text, DATE_ROOM, "%04d-%02u-%02uT%02d:%02d:%02dZ", date.year, date.month, date.day, rest / 3600,
             rest / 60 % 60, rest % 60);
}

/* The index of orders lags behind the orders, and a webhook takes its time: what has just changed is left for later. */
static int64_t settled_ms(const struct shopify_turn *turn)
{
    const json_t *settle = input_of(turn, "settle_s");
    int64_t seconds = json_is_integer(settle) ? json_integer_value(settle) : SETTLE_S;

    return turn->now_ms - 1000 * (seconds < 0 ? 0 : seconds > 86400 ? 86400 : seconds);
}

static void reconcile_ask(const struct shopify_turn *turn, unsigned mark)
{
    struct slice after = text_of(input_of(turn, "after"));
    char from[DATE_ROOM], to[DATE_ROOM], query[128];
    int64_t since_ms;

    if (!shopify_time(text_of(input_of(turn, "updated_after")), &since_ms)) {
        invalid(turn, "input.updated_after must be a time like 2026-01-05T08:00:00Z");
        return;
    }
    date_print(since_ms, from);
    date_print(settled_ms(turn), to);
    snprintf(query, sizeof(query), "updated_at:>='%s' updated_at:<='%s'", from, to);
    graphql_request(turn,
                    "query($n: Int!, $q: String!, $after: String) { orders(first: $n, after: $after, sortKey: "
                    "UPDATED_AT, query: $q) { nodes { id name createdAt updatedAt cancelledAt } pageInfo { hasNextPage "
                    "endCursor } } }",
                    json_pack("{s:i, s:s, s:o}", "n", PAGE, "q", query, "after",
                              after.size > 0 ? json_stringn(after.data, after.size) : json_null()),
                    mark);
}

static json_t *listed(const json_t *nodes)
{
    json_t *orders = json_array();

    for (size_t i = 0; i < json_array_size(nodes); i++) {
        const json_t *node = json_array_get(nodes, i);
        json_array_append_new(
            orders,
            json_pack("{s:o, s:O?, s:O?, s:O?, s:O?}", "id", graphql_number(json_text_at(node, "id")), "name",
                      json_object_get(node, "name"), "created_at", json_object_get(node, "createdAt"), "updated_at",
                      json_object_get(node, "updatedAt"), "cancelled_at", json_object_get(node, "cancelledAt")));
    }
    return orders;
}

/* A time that is none, or ahead of the clock, would end the listing for ever; an older one would list all again. */
static bool goes_on_from(const struct shopify_turn *turn, struct slice since, struct slice last)
{
    int64_t since_ms, last_ms;

    return shopify_time(since, &since_ms) && shopify_time(last, &last_ms) && last_ms >= since_ms &&
           last_ms <= turn->now_ms;
}

/* While there are more pages the lower bound stays, because a page's cursor belongs to its query. */
static void reconcile_tell(const struct shopify_turn *turn, const struct graphql_answer *read)
{
    const json_t *nodes = json_at(read->data, "orders.nodes"), *end = json_at(read->data, "orders.pageInfo.endCursor");
    bool more = json_is_true(json_at(read->data, "orders.pageInfo.hasNextPage")) && json_is_string(end);
    size_t count = json_array_size(nodes);
    struct slice last = json_text_at(json_array_get(nodes, count > 0 ? count - 1 : 0), "updatedAt");
    struct slice since = text_of(input_of(turn, "updated_after"));
    struct slice up_to = more || !goes_on_from(turn, since, last) ? since : last;

    if (!json_is_array(nodes)) {
        step_fail(turn->scratch, turn->step, ERROR_GARBLED, "Shopify: the answer lists no orders");
        return;
    }
    done(turn,
         json_pack("{s:s%, s:o, s:s%, s:s%, s:o, s:b}", "shop", turn->settings->shop.data, turn->settings->shop.size,
                   "orders", listed(nodes), "since", since.data, since.size, "up_to", up_to.data, up_to.size, "after",
                   more ? json_incref((json_t *)(uintptr_t)end) : json_null(), "more", more));
}

/* A cursor that Shopify does not know any more is dropped: the same orders are listed from the first page on. */
static bool starts_over(const struct shopify_turn *turn, const struct graphql_answer *read)
{
    struct slice since = text_of(input_of(turn, "updated_after"));

    if (!slice_is(json_text_at(turn->job->inputs, "action"), "reconcile") || read->error != ERROR_REFUSED ||
        text_of(input_of(turn, "after")).size == 0 || strcasestr(read->text, "cursor") == NULL)
        return false;
    done(turn,
         json_pack("{s:s%, s:[], s:s%, s:s%, s:n, s:b}", "shop", turn->settings->shop.data, turn->settings->shop.size,
                   "orders", "since", since.data, since.size, "up_to", since.data, since.size, "after", "more", 1));
    return true;
}

/* ---- check_webhooks ---- */

static void webhooks_ask(const struct shopify_turn *turn, unsigned mark)
{
    const json_t *wanted = json_object_get(turn->job->inputs, "webhooks");

    if (json_array_size(wanted) == 0)
        done(turn, json_pack("{s:i, s:i, s:s}", "checked", 0, "restored", 0, "why",
                             "shopify_hooks_url is not set, or no hook belongs to the shop"));
    else
        graphql_request(turn, "query { webhookSubscriptions(first: 250) { nodes { id topic uri } } }", json_object(),
                        mark);
}

/* "orders/create" as ORDERS_CREATE; false for what is no topic to subscribe to: privacy topics belong to the app. */
static bool topic_word(struct slice name, char word[64])
{
    struct shopify_problem problem;
    enum shopify_topic topic;
    size_t size = 0;

    if (shopify_topic_find(name, &topic, &problem) != ERROR_OK || shopify_topic_info[topic].body == SHOPIFY_privacy)
        return false;
    for (; shopify_topic_info[topic].name[size] != '\0' && size < 63; size++) {
        char c = shopify_topic_info[topic].name[size];
        word[size] = c == '/' ? '_' : (char)toupper((unsigned char)c);
    }
    word[size] = '\0';
    return true;
}

static size_t wanted_count(const struct shopify_turn *turn)
{
    const json_t *wanted = json_object_get(turn->job->inputs, "webhooks");
    size_t count = 0;
    char word[64];

    for (size_t i = 0; i < json_array_size(wanted); i++)
        count += topic_word(json_text_at(json_array_get(wanted, i), "topic"), word);
    return count;
}

static bool is_there(const json_t *nodes, const char *word, struct slice uri)
{
    for (size_t i = 0; i < json_array_size(nodes); i++) {
        const json_t *node = json_array_get(nodes, i);
        if (slice_is(json_text_at(node, "topic"), word) && slice_equal(json_text_at(node, "uri"), uri))
            return true;
    }
    return false;
}

struct missing {
    struct buffer arguments, fields;
    json_t *variables;
    size_t count;
};

static void miss(struct missing *missing, const char *word, struct slice uri)
{
    char name[16];

    snprintf(name, sizeof(name), "s%zu", missing->count);
    buffer_printf(&missing->arguments, "%s$%s: WebhookSubscriptionInput!", missing->count > 0 ? ", " : "", name);
    buffer_printf(&missing->fields,
                  "%s_%zu: webhookSubscriptionCreate(topic: %s, webhookSubscription: $%s) { webhookSubscription { id } "
                  "userErrors { field message } } ",
                  word, missing->count, word, name);
    json_object_set_new(missing->variables, name,
                        json_pack("{s:s%, s:s}", "uri", uri.data, uri.size, "format", "JSON"));
    missing->count++;
}

static void webhooks_tell(const struct shopify_turn *turn, const struct graphql_answer *read)
{
    const json_t *wanted = json_object_get(turn->job->inputs, "webhooks");
    const json_t *nodes = json_at(read->data, "webhookSubscriptions.nodes");
    struct missing missing = {.variables = json_object()};
    struct buffer query = {NULL, 0, 0};
    char word[64];

    for (size_t i = 0; i < json_array_size(wanted) && missing.count < HOOKS_MAX; i++) {
        const json_t *hook = json_array_get(wanted, i);
        struct slice uri = json_text_at(hook, "uri");
        if (!topic_word(json_text_at(hook, "topic"), word))
            continue;
        if (!is_there(nodes, word, uri))
            miss(&missing, word, uri);
    }
    buffer_printf(&query, "mutation(%.*s) { %.*s}", (int)missing.arguments.size,
                  missing.count ? missing.arguments.data : "", (int)missing.fields.size,
                  missing.count ? missing.fields.data : "");
    buffer_append(&query, "", 1);
    if (!json_is_array(nodes))
        step_fail(turn->scratch, turn->step, ERROR_GARBLED, "Shopify: the answer lists no subscriptions");
    else if (missing.count == 0)
        done(turn, json_pack("{s:I, s:i}", "checked", (json_int_t)wanted_count(turn), "restored", 0));
    else
        graphql_request(turn, query.data, json_incref(missing.variables), second_mark(turn));
    json_decref(missing.variables);
    buffer_free(&missing.arguments);
    buffer_free(&missing.fields);
    buffer_free(&query);
}

/* One that somebody else made in the meantime is there all the same. */
static void webhooks_told_more(const struct shopify_turn *turn, const struct graphql_answer *read)
{
    char text[GRAPHQL_TEXT_MAX], why[GRAPHQL_TEXT_MAX + 80] = "";
    json_t *topics = json_array(), *payload;
    const char *name;

    json_object_foreach((json_t *)(uintptr_t)read->data, name, payload)
    {
        const char *number = strrchr(name, '_');
        if (!json_is_object(payload))
            snprintf(why, sizeof(why), "%.60s: no answer", name);
        else if (!graphql_user_error(payload, text))
            json_array_append_new(topics, json_stringn(name, number ? (size_t)(number - name) : strlen(name)));
        else if (strstr(text, "already been taken") == NULL)
            snprintf(why, sizeof(why), "%.60s: %s", name, text);
    }
    if (why[0] != '\0')
        step_fail(turn->scratch, turn->step, ERROR_REFUSED, "Shopify: %s", why);
    else
        done(turn, json_pack("{s:I, s:I, s:O}", "checked", (json_int_t)wanted_count(turn), "restored",
                             (json_int_t)json_array_size(topics), "topics", topics));
    json_decref(topics);
}

/* ---- the machine ---- */

static const struct action actions[] = {
    {"reconcile", reconcile_ask, reconcile_tell, NULL},
    {"order", order_ask, order_tell, order_told_more},
    {"check_webhooks", webhooks_ask, webhooks_tell, webhooks_told_more},
    {"tag", tag_ask, tag_tell, NULL},
    {"note", note_ask, note_tell, note_told_more},
    {"product", product_ask, product_tell, NULL},
};

static const struct action *action_of(const struct shopify_turn *turn)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (slice_is(json_text_at(turn->job->inputs, "action"), actions[i].name))
            return &actions[i];
    invalid(turn, "there is no such action");
    return NULL;
}

static void ask(const struct shopify_turn *turn, unsigned mark)
{
    const struct action *action = action_of(turn);

    if (action != NULL)
        action->ask(turn, mark);
}

static void admin_begin(const struct connector_job *job, const struct connector_settings *settings, int64_t now_ms,
                        struct scratch *scratch, struct step *step)
{
    struct shopify_turn turn = {job, settings, now_ms, scratch, step};

    step_start(scratch, step);
    if (settings->secret.size == 0 || settings->url.size == 0)
        step_fail(scratch, step, ERROR_NO_SECRET, "the Admin API is not set up: shopify_shop and a token are needed");
    else
        ask(&turn, 0);
}

/* A token is fetched once for a call that had none, or whose token was refused. */
static bool wants_token(const struct shopify_turn *turn, const struct graphql_answer *read)
{
    return turn->settings->user.size > 0 && (turn->job->mark & MARK_TOKEN_TRIED) == 0 &&
           (read->error == ERROR_NO_SECRET || read->is_token_refused);
}

/* What refuses the client id or its secret is for a person to mend, whatever its number. */
static void told_token(const struct shopify_turn *turn, struct graphql_answer *read)
{
    struct slice token = json_text_at(read->body, "access_token");

    if ((read->error == ERROR_OK || read->error == ERROR_GARBLED) && slice_is(token, CALL_KEPT)) {
        ask(turn, MARK_TOKEN_TRIED);
        return;
    }
    if (read->error == ERROR_OK || read->error == ERROR_GARBLED) {
        step_fail(turn->scratch, turn->step, ERROR_GARBLED, "Shopify: the answer holds no token that can be kept");
        return;
    }
    if (read->error == ERROR_REFUSED)
        read->error = ERROR_AUTH;
    graphql_fail(turn, read);
}

static void told(const struct shopify_turn *turn, const struct graphql_answer *read)
{
    const struct action *action = action_of(turn);

    if (action == NULL)
        return;
    if (wants_token(turn, read))
        graphql_token_request(turn, MARK_TOKEN);
    else if (read->error == ERROR_NO_SECRET && turn->settings->user.size > 0)
        step_fail(turn->scratch, turn->step, ERROR_FAILED, "the token ended before it was used");
    else if (starts_over(turn, read))
        return;
    else if (read->error != ERROR_OK)
        graphql_fail(turn, read);
    else if ((turn->job->mark & MARK_SECOND) != 0 && action->told_more != NULL)
        action->told_more(turn, read);
    else
        action->tell(turn, read);
}

static void admin_answer(const struct connector_job *job, const struct connector_settings *settings,
                         const struct answer *answer, int64_t now_ms, struct scratch *scratch, struct step *step)
{
    struct shopify_turn turn = {job, settings, now_ms, scratch, step};
    struct graphql_answer read;

    step_start(scratch, step);
    graphql_read(answer, &read);
    if ((job->mark & MARK_TOKEN) != 0)
        told_token(&turn, &read);
    else
        told(&turn, &read);
    json_decref(read.body);
}

static void admin_usage(const struct connector_settings *settings, const struct answer *answer, int64_t now_ms,
                        struct usage *usage)
{
    struct graphql_answer read;

    (void)settings;
    (void)now_ms;
    graphql_read(answer, &read);
    *usage = (struct usage){.limited = read.error == ERROR_LIMITED && answer->status != 503,
                            .overloaded = answer->error == ERROR_OK && answer->status >= 500,
                            .retry_after_ms = read.retry_after_ms};
    if (read.most > 0 && read.left >= 0 && read.left <= read.most)
        usage->percent_used = (int)(100 - read.left * 100 / read.most);
    json_decref(read.body);
}

const struct connector connector_shopify = {"shopify", admin_begin, admin_answer, admin_usage};
