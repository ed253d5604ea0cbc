// SPDX-License-Identifier: MIT
/* The connector against the model of the Admin API, through every fault: nothing is done twice, and nothing hangs. */
#include "connectors/connector.h"
#include "tests/cloud/cloud.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const int64_t T0 = 1795377600000, DAY_MS = 86400000, FAULT_MS = 60000;
enum { TRIES_MAX = 400 };

struct world {
    struct cloud *cloud;
    int64_t now_ms;
    struct scratch scratch;
    struct step step;
    struct connector_settings settings;
    unsigned tries, calls;
};

static struct slice const hook_url = {"https://pi.example/hooks/o", 26};

static void world_open(struct world *world)
{
    struct cloud_options options = {.hooks = {{SLICE("orders/create"), hook_url, SLICE("hush")},
                                              {SLICE("orders/paid"), hook_url, SLICE("hush")},
                                              {SLICE("orders/updated"), hook_url, SLICE("hush")}},
                                    .hook_count = 3};

    *world = (struct world){.cloud = cloud_new(5, &options),
                            .now_ms = T0,
                            .settings = {.url = SLICE("https://demo.myshopify.com"),
                                         .secret = SLICE("vault/token"),
                                         .user = SLICE("client"),
                                         .client_secret = SLICE("shopify/client"),
                                         .shop = SLICE("demo.myshopify.com"),
                                         .version = SLICE("2026-07")}};
}

static void world_close(struct world *world)
{
    step_fini(&world->step);
    scratch_free(&world->scratch);
    cloud_destroy(&world->cloud);
}

/* One try: as the worker does it, without a memory over its end. */
static void try_once(struct world *world, struct connector_job *job)
{
    struct cloud_reply reply;
    struct call call;

    step_fini(&world->step);
    job->mark = 0;
    connector_shopify.begin(job, &world->settings, world->now_ms, &world->scratch, &world->step);
    while (world->step.kind == STEP_REQUEST) {
        struct buffer packed = {NULL, 0, 0};
        call_pack(&packed, &world->step.call);
        assert_true(call_unpack(buffer_slice(&packed), &call));
        cloud_answer(world->cloud, world->now_ms, &call, &reply);
        world->now_ms += 1 + (reply.latency_ms < call.timeout_ms ? reply.latency_ms : call.timeout_ms);
        buffer_free(&packed);
        job->mark = world->step.mark;
        step_fini(&world->step);
        connector_shopify.answer(job, &world->settings, &reply.answer, world->now_ms, &world->scratch, &world->step);
        assert_true(++world->calls < 100000);
    }
}

/* Until it ends; a person who mends something comes by every minute. */
static const json_t *perform(struct world *world, const char *inputs)
{
    struct json_problem problem;
    json_t *read = json_read(slice_of(inputs), &problem);
    struct connector_job job = {.id = SLICE("job-1"), .created_ms = T0, .inputs = read};

    assert_non_null(read);
    for (world->tries = 0; world->tries < TRIES_MAX; world->tries++) {
        try_once(world, &job);
        if (world->step.kind == STEP_DONE)
            break;
        if (world->step.kind != STEP_RETRY && error_class(world->step.error) != RETRY_HUMAN)
            fail_msg("%s: %.*s", error_name(world->step.error), (int)world->step.detail.size, world->step.detail.data);
        world->now_ms += world->step.retry_after_ms > 5000 ? world->step.retry_after_ms : 5000;
    }
    json_decref(read);
    assert_int_equal(world->step.kind, STEP_DONE);
    return world->step.result;
}

/* What the shop looks like now; owned by the caller. */
static json_t *shop(struct world *world)
{
    struct buffer text = {NULL, 0, 0};
    struct json_problem problem;

    cloud_admin_print(world->cloud, world->now_ms, &text);
    json_t *shown = json_read(buffer_slice(&text), &problem);
    buffer_free(&text);
    return shown;
}

static void place(struct world *world, uint32_t count)
{
    struct answer ok = {.status = 200};
    struct call call;
    uint64_t ticket;

    assert_true(cloud_orders_place(world->cloud, world->now_ms, count, 1000));
    world->now_ms += (int64_t)count * 1000 + 10000;
    while (cloud_delivery_take(world->cloud, world->now_ms, &ticket, &call))
        cloud_delivery_told(world->cloud, world->now_ms, ticket, &ok);
}

static void order_inputs(struct world *world, const char *form, char inputs[300])
{
    json_t *shown = shop(world);
    json_int_t id = json_integer_value(json_at(shown, "orders.0.id"));

    snprintf(inputs, 300, form, (long long)id);
    json_decref(shown);
}

static const enum cloud_fault faults[] = {CLOUD_LATENCY,    CLOUD_LIMITED, CLOUD_RETRY_AFTER, CLOUD_INTERNAL,
                                          CLOUD_OVERLOADED, CLOUD_HTML,    CLOUD_GARBAGE,     CLOUD_TRUNCATED,
                                          CLOUD_KEY,        CLOUD_DROPPED, CLOUD_OUTAGE};

static void set_fault(struct world *world, enum cloud_fault fault, unsigned permille)
{
    assert_true(cloud_fault_set(world->cloud, CLOUD_ADMIN, fault, world->now_ms + FAULT_MS, permille));
}

/* Each fault on each action, for a minute and then by chance: done once. */
static void test_matrix(void **state)
{
    static const unsigned chances[] = {1000, 500};
    char inputs[300];

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(faults) / sizeof(faults[0]); i++) {
        struct world world;
        world_open(&world);
        place(&world, 1);
        for (int round = 0; round < 10; round++) {
            set_fault(&world, faults[i / 2], chances[i % 2]);
            order_inputs(&world, "{\"action\":\"note\",\"input\":{\"order\":%lld,\"note\":\"checked\"}}", inputs);
            perform(&world, inputs);
            set_fault(&world, faults[i / 2], chances[i % 2]);
            order_inputs(&world, "{\"action\":\"tag\",\"input\":{\"order\":%lld,\"tags\":\"seen\"}}", inputs);
            perform(&world, inputs);
            set_fault(&world, faults[i / 2], chances[i % 2]);
            cloud_subscription_delete(world.cloud, world.now_ms, SLICE("orders/paid"));
            perform(&world, "{\"action\":\"check_webhooks\",\"webhooks\":[{\"topic\":\"orders/create\",\"uri\":"
                            "\"https://pi.example/hooks/o\"},{\"topic\":\"orders/paid\",\"uri\":"
                            "\"https://pi.example/hooks/o\"}]}");
            json_t *shown = shop(&world);
            assert_true(slice_is(json_text_at(shown, "orders.0.note"), "checked"));
            assert_int_equal(json_array_size(json_at(shown, "orders.0.tag_list")), 1);
            assert_int_equal(json_array_size(json_object_get(shown, "subscriptions")), 3);
            json_decref(shown);
        }
        assert_int_equal(cloud_counts(world.cloud)->shopify_noted, 1);
        assert_int_equal(cloud_counts(world.cloud)->shopify_tagged, 1);
        assert_int_equal(cloud_counts(world.cloud)->shopify_subscribed, 10);
        assert_int_equal(cloud_counts(world.cloud)->shopify_violations, 0);
        world_close(&world);
    }
}

/* Page after page, while the shop goes on selling and answers badly, each order is listed. */
static void test_every_order_is_found(void **state)
{
    char inputs[400], since[40] = "2026-11-22T00:00:00Z", after[80] = "";
    json_t *seen = json_object();
    struct world world;

    (void)state;
    world_open(&world);
    place(&world, 333);
    for (int i = 0; i < 40; i++) {
        const json_t *result, *order;
        size_t index;
        if (i < 10)
            place(&world, 5);
        set_fault(&world, faults[(size_t)i % (sizeof(faults) / sizeof(faults[0]))], 700);
        snprintf(inputs, sizeof(inputs),
                 "{\"action\":\"reconcile\",\"input\":{\"updated_after\":\"%s\",\"after\":\"%s\"}}", since, after);
        result = perform(&world, inputs);
        json_array_foreach(json_object_get(result, "orders"), index, order)
        {
            assert_true(json_is_integer(json_object_get(order, "id")));
            json_object_set_new(seen, json_string_value(json_object_get(order, "name")), json_true());
        }
        snprintf(since, sizeof(since), "%s", json_string_value(json_object_get(result, "up_to")));
        snprintf(after, sizeof(after), "%.*s", (int)json_text_at(result, "after").size,
                 json_text_at(result, "after").size ? json_text_at(result, "after").data : "");
        if (i == 12)
            snprintf(after, sizeof(after), "worn out");
        world.now_ms += 600000;
    }
    assert_int_equal(json_object_size(seen), 383);
    assert_int_equal(cloud_counts(world.cloud)->shopify_violations, 0);
    json_decref(seen);
    world_close(&world);
}

static void test_order_is_whole(void **state)
{
    struct world world;
    char inputs[300];

    (void)state;
    world_open(&world);
    place(&world, 1);
    order_inputs(&world, "{\"action\":\"order\",\"input\":{\"order\":%lld}}", inputs);
    const json_t *result = perform(&world, inputs);
    json_t *shown = shop(&world);
    assert_true(json_equal(json_at(result, "order.id"), json_at(shown, "orders.0.id")));
    assert_true(json_equal(json_at(result, "order.line_items.0.id"), json_at(shown, "orders.0.line_items.0.id")));
    assert_true(slice_is(json_text_at(result, "order.total_price"), "10.00"));
    assert_true(slice_is(json_text_at(result, "order.financial_status"), "paid"));
    json_decref(shown);
    world_close(&world);
}

/* A token lives a day: a week costs seven or eight of them, and one that is revoked costs one more. */
static void test_tokens(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    for (int hour = 0; hour < 7 * 24; hour++) {
        perform(&world, "{\"action\":\"reconcile\",\"input\":{\"updated_after\":\"2026-11-22T00:00:00Z\"}}");
        world.now_ms += DAY_MS / 24;
    }
    assert_in_range(cloud_counts(world.cloud)->shopify_tokens, 7, 8);
    assert_int_equal(cloud_counts(world.cloud)->shopify_unauthorized, cloud_counts(world.cloud)->shopify_tokens);
    uint64_t before = cloud_counts(world.cloud)->shopify_tokens;
    cloud_admin_revoke(world.cloud, 0);
    perform(&world, "{\"action\":\"reconcile\",\"input\":{\"updated_after\":\"2026-11-22T00:00:00Z\"}}");
    assert_int_equal(cloud_counts(world.cloud)->shopify_tokens, before + 1);
    assert_int_equal(world.tries, 0);
    world_close(&world);
}

/* Asked for faster than points come back, the wait that Shopify tells is long enough. */
static void test_bucket(void **state)
{
    struct world world;
    char inputs[300];

    (void)state;
    world_open(&world);
    place(&world, 1);
    order_inputs(&world, "{\"action\":\"order\",\"input\":{\"order\":%lld}}", inputs);
    for (int i = 0; i < 200; i++)
        perform(&world, inputs);
    assert_in_range(cloud_counts(world.cloud)->shopify_throttled, 1, 200);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matrix), cmocka_unit_test(test_every_order_is_found),
                                       cmocka_unit_test(test_order_is_whole), cmocka_unit_test(test_tokens),
                                       cmocka_unit_test(test_bucket)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
