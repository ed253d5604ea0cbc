// SPDX-License-Identifier: MIT
#include "config/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define SHIPPED TEST_DATA "/../../config"

static char folder[] = "/tmp/purser-config-XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[200];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static struct config *load(const char *text, struct text_problem *problem)
{
    char path[200];

    write_file("purser.yaml", text);
    snprintf(path, sizeof(path), "%s/purser.yaml", folder);
    return config_load(path, problem);
}

#define HOOK "hooks:\n  h: {scheme: shopify, topic: t, secret: a/b"

static const struct {
    const char *text;
    unsigned line, column;
    const char *problem;
} refused[] = {
    {"- a\n", 1, 1, "here belongs a map (key: value)"},
    {"http_prot: 1\n", 1, 1, "unknown key \"http_prot\"; did you mean \"http_port\"?"},
    {"hook: {}\n", 1, 1, "unknown key \"hook\"; did you mean \"hooks\"?"},
    {"box: 1\nbox: 2\n", 2, 1, "the key \"box\" stands here twice; the first one is in line 1"},
    {"http_port: [1]\n", 1, 12, "http_port must be one value, not a list or map"},
    {"http_port: 0\n", 1, 12, "http_port is out of range; allowed is 1 to 65535"},
    {"http_port: eighty\n", 1, 12, "http_port must be a whole number, without quotes, from 1 to 65535"},
    {"http_port: \"8420\"\n", 1, 12, "http_port must be a whole number, without quotes, from 1 to 65535"},
    {"http_port: 99999999999999999999\n", 1, 12, "http_port must be a whole number, without quotes, from 1 to 65535"},
    {"box: 8192\n", 1, 6, "box is out of range; allowed is 1 to 8191"},
    {"dedup_keep_ms: 6d\n", 1, 16, "dedup_keep_ms is out of range; allowed is 7d to 400d"},
    {"stop_ms: 5 seconds\n", 1, 10,
     "stop_ms must be a duration like 250ms, 90s, 2m, 1h or 7d, without quotes, from 100ms to 2m"},
    {"stop_ms: 9223372036854775807d\n", 1, 10,
     "stop_ms must be a duration like 250ms, 90s, 2m, 1h or 7d, without quotes, from 100ms to 2m"},
    {"payload_bytes_max: 1MB\n", 1, 20,
     "payload_bytes_max must be a size like 512, 64KiB, 2MiB or 1GiB, without quotes, from 1KiB to 16MiB"},
    {"mail_starttls: yes\n", 1, 16, "mail_starttls must be true or false, without quotes"},
    {"mail_starttls: \"true\"\n", 1, 16, "mail_starttls must be true or false, without quotes"},
    {"log_level: loud\n", 1, 12, "log_level must be one of debug|info|warn|error"},
    {"shop_name:\n", 1, 11, "shop_name must be a text of 1 to 100 bytes"},
    {"shop_name: \"a\\nb\"\n", 1, 12, "shop_name must be one line without control characters"},
    {"shop_zone: Europe/Berlni\n", 1, 12, "shop_zone is no known time zone; write it like Europe/Berlin"},
    {"shop_currency: eur\n", 1, 16, "shop_currency must be three capital letters, like EUR"},
    {"gemini_key: AIzaSyVerySecretValue\n", 1, 13,
     "gemini_key must be the name of a secret, like gemini/key; the value belongs into a file of secrets_dir"},
    {"http_address: localhost\n", 1, 15, "http_address must be a numeric address, like 127.0.0.1 or ::1"},
    {"box: 1\nproducer_address: 0.0.0.0\n", 2, 19,
     "producer_address must be a loopback address: producers are not authenticated yet; tunnel to it from other "
     "machines"},
    {"metrics_port: 8420\n", 1, 15, "metrics_port is the port of another listener"},
    {"gemini_url: http://127.0.0.1:1\n", 1, 13,
     "gemini_url may be http:// only for a loopback address, with allow_plain_loopback: true"},
    {"allow_plain_loopback: true\ngemini_url: http://192.168.0.1\n", 2, 13,
     "gemini_url may be http:// only for a loopback address, with allow_plain_loopback: true"},
    {"gemini_url: https://a@b\n", 1, 13, "gemini_url must be https://host or https://host:port, no path"},
    {"mail_url: smtp://h:587\n", 1, 1, "mail_from must be an address like shop@example.org"},
    {"mail_url: mail.example.org\n", 1, 11, "mail_url must be smtp://host:port or smtps://host:port"},
    {"mail_url: smtp://h:587\nmail_from: a@b\nmail_user: u\n", 3, 12,
     "mail_user is set, so mail_password must name a secret"},
    {"mail_url: smtp://h:587\nmail_from: a@b\nmail_starttls: false\n", 3, 16,
     "mail_starttls may be false only for a loopback address, with allow_plain_loopback: true"},
    {"hooks: []\n", 1, 8, "hooks must be a map of name: {...}"},
    {"hooks:\n  Bad Name: {}\n", 2, 3, "a name here is made of a-z, 0-9, _ and -, at most 64 characters"},
    {"hooks:\n  h: {}\n", 2, 3, "\"h\" needs the key \"scheme\""},
    {"hooks:\n  h: {scheme: shopify}\n", 2, 3, "\"h\" needs the key \"secret\""},
    {"hooks:\n  h: {scheme: shop}\n", 2, 15, "scheme must be one of shopify, hmac-sha256"},
    {"hooks:\n  h: {scheme: shopify, secret: S3cret!}\n", 2, 32,
     "secret must be the name of a secret, like shop/webhook; the value belongs into a file of secrets_dir"},
    {"hooks:\n  h: {scheme: shopify, secret: a}\n", 2, 3,
     "\"h\" needs topic (the one it takes) or topics (the allowed ones)"},
    {HOOK ", topics: [a]}\n", 2, 47, "a hook has either topic or topics, not both"},
    {HOOK ", header: X-A}\n", 2, 47, "Shopify fixes header and encoding; they belong to scheme hmac-sha256"},
    {HOOK ", topc: x}\n", 2, 47, "unknown key \"topc\"; did you mean \"topic\"?"},
    {"hooks:\n  h: {scheme: hmac-sha256, secret: a, header: \"X A\"}\n", 2, 47,
     "header must be the name of an HTTP header, like X-Signature-256"},
    {"hooks:\n  h: {scheme: shopify, secret: a, topics: []}\n", 2, 43, "topics must be a list of 1 to 64 topics"},
    {"queues:\n  q: {attempts: 0}\n", 2, 17, "attempts must be a whole number, without quotes, from 1 to 100"},
    {"queues:\n  q: 1\n", 2, 6, "here belongs a map (key: value)"},
    {"limits:\n  gemini: {concurrency: 1}\n", 2, 3, "a gate is service/account, like gemini/default"},
    {"limits:\n  gemni/default: {concurrency: 1}\n", 2, 3, "there is no service \"gemni\"; did you mean \"gemini\"?"},
    {"limits:\n  smtp/default: {}\n", 2, 3,
     "\"smtp/default\" bounds nothing; give window, bucket, per_day or concurrency"},
    {"limits:\n  smtp/a: {api: gemini, per_day: 1}\n", 2, 17, "api must be \"smtp\", as the gate's name says"},
    {"limits:\n  smtp/a: {window: {count: 3}}\n", 2, 20, "a window needs count and per, like {count: 180, per: 1h}"},
    {"limits:\n  smtp/a: {bucket: {size: 3, refill_per_s: 0.0001}}\n", 2, 44,
     "refill_per_s must be a number like 0.75, without quotes, with at most 3 digits behind the point"},
    {"limits:\n  smtp/a: {bucket: {size: 3}}\n", 2, 20,
     "a bucket needs size and refill_per_s, like {size: 40, refill_per_s: 2}"},
    {"limits:\n  smtp/a: {bucket: {size: 1000000, refill_per_s: 0.1}}\n", 2, 20, "a bucket must fill within 30 days"},
    {"limits:\n  smtp/a: {more: {each: key}}\n", 2, 18,
     "more must be a list, like [{each: key, window: {count: 1, per: 1s}}]"},
    {"limits:\n  smtp/a: {more: [{each: key}]}\n", 2, 19,
     "this bounds nothing; give window, bucket, per_day or concurrency"},
    {"limits:\n  smtp/a: {more: [{each: key, per_day: 5}]}\n", 2, 19,
     "what each key may do must come back within 10m; a longer bound needs an account (a gate) of its own"},
    {"limits:\n  smtp/a: {more: [{each: key, window: {count: 5, per: 1h}}]}\n", 2, 19,
     "what each key may do must come back within 10m; a longer bound needs an account (a gate) of its own"},
};

static void test_refuses(void **state)
{
    struct text_problem problem;
    char place[600], expected[600];

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct config *config = load(refused[i].text, &problem);
        assert_null(config);
        snprintf(place, sizeof(place), "%u:%u: %s", problem.line, problem.column, problem.text);
        snprintf(expected, sizeof(expected), "%u:%u: %s", refused[i].line, refused[i].column, refused[i].problem);
        assert_string_equal(place, expected);
        assert_non_null(strstr(problem.file, "/purser.yaml"));
    }
}

static void test_default(void **state)
{
    struct config *config = config_default();

    (void)state;
    assert_string_equal(config->shop_zone, "UTC");
    assert_int_equal(config->http_port, 8420);
    assert_int_equal(config->http_body_bytes_max, 2 << 20);
    assert_int_equal(config->http_answer_ms, 4500);
    assert_int_equal(config->store_bytes_max, 1 << 30);
    assert_int_equal(config->dedup_keep_ms, INT64_C(7) * 86400000);
    assert_true(config->mail_starttls);
    assert_false(config->allow_plain_loopback);
    assert_string_equal(config->gemini_key, "");
    assert_int_equal(config->hook_count + config->limit_count + config->workflow_count, 0);
    config_free(&config);
    assert_null(config);
    config_free(&config);
}

static void test_paths_and_lists(void **state)
{
    struct text_problem problem;
    char expected[200];
    struct config *config = load("data_dir: store\nsecrets_dir: /etc/x\nmail_ca_file: ../ca.pem\n"
                                 "mail_from: a@b.example\n"
                                 "limits_file: limits.yaml\nstop_ms: 1500\nprompts_dir: none\n"
                                 "hooks:\n  a: {scheme: shopify, topics: [x, y], secret: s, old_secret: t/u}\n"
                                 "  b: {scheme: hmac-sha256, secret: s, shop: me, encoding: base64}\n"
                                 "queues:\n  q: {ordered: true}\n"
                                 "limits:\n  smtp/default: {window: [{count: 2, per: 1s}, {count: 9, per: 1m}], "
                                 "urgent_percent: 20, more: [{class: group, each: key, counts: cost, "
                                 "window: {count: 20, per: 1m}}]}\n"
                                 "  shopify/a: {bucket: {size: 40, refill_per_s: 0.5}}\n",
                                 &problem);

    (void)state;
    assert_non_null(config);
    snprintf(expected, sizeof(expected), "%s/store/control.sock", folder);
    assert_string_equal(config->control_socket, expected);
    assert_string_equal(config->secrets_dir, "/etc/x");
    assert_string_equal(config->mail_ca_file, "/tmp/ca.pem");
    assert_string_equal(config->mail_domain, "b.example");
    assert_int_equal(config->stop_ms, 1500);
    const struct hook *hook = config_hook(config, SLICE("a"));
    assert_int_equal(hook->topic_count, 2);
    assert_null(hook->topic);
    assert_string_equal(hook->header, "X-Shopify-Hmac-Sha256");
    assert_string_equal(hook->shop, "a");
    assert_string_equal(hook->old_secret, "t/u");
    hook = config_hook(config, SLICE("b"));
    assert_string_equal(hook->header, "X-Signature-256");
    assert_int_equal(hook->encoding, HOOK_BASE64);
    assert_null(config_hook(config, SLICE("c")));
    assert_true(config_queue(config, SLICE("q"))->ordered);
    assert_int_equal(config_queue(config, SLICE("q"))->attempts, 8);
    const struct limit *limit = config_limit(config, SLICE("smtp/default"));
    assert_int_equal(limit->scopes[0].window_count, 2);
    assert_int_equal(limit->scopes[0].windows[1].per_ms, 60000);
    assert_int_equal(limit->scopes[0].concurrency, 0);
    assert_int_equal(limit->urgent_percent, 20);
    assert_int_equal(limit->scope_count, 2);
    assert_string_equal(limit->scopes[1].class_name, "group");
    assert_true(limit->scopes[1].each_key && limit->scopes[1].counts_cost);
    assert_int_equal(limit->scopes[1].windows[0].count, 20);
    assert_int_equal(config_limit(config, SLICE("shopify/a"))->scopes[0].bucket_refill_milli_per_s, 500);
    assert_string_equal(config_limit(config, SLICE("gemini/default"))->api, "gemini");
    assert_int_equal(config->limit_count, 3);
    config_free(&config);
}

static void assert_prompt_refused(const char *text, const char *expected)
{
    struct text_problem problem;

    write_file("prompts/p.yaml", text);
    assert_null(load("box: 1\n", &problem));
    assert_string_equal(problem.text, expected);
    assert_non_null(strstr(problem.file, "prompts/p.yaml"));
}

static void test_prompts(void **state)
{
    struct text_problem problem;
    char path[200];

    (void)state;
    snprintf(path, sizeof(path), "%s/prompts", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_prompt_refused("version: 1\ntext: x\n", "the key \"name\" is missing");
    assert_prompt_refused("name: p\ntext: x\n", "the key \"version\" is missing");
    assert_prompt_refused("name: p\nversion: 1\n", "the key \"text\" is missing");
    assert_prompt_refused("name: p\nversion: 1\ntext: x\ntext2: x\n", "unknown key \"text2\"; did you mean \"text\"?");
    assert_prompt_refused("name: p\nversion: 1\ntext: x\nanswer: [a]\n",
                          "answer must be a schema: a map with type, properties and required");
    write_file("prompts/p.yaml", "name: p\nversion: 3\ntext: \"Hi {{ a }}\"\nlimits: {output_tokens_max: 9}\n"
                                 "answer: {type: object, maxItems: 3, required: [\"1\"]}\n");
    struct config *config = load("box: 1\n", &problem);
    assert_non_null(config);
    const struct prompt *prompt = config_prompt(config, SLICE("p"));
    assert_string_equal(prompt->answer, "{\"maxItems\":3,\"required\":[\"1\"],\"type\":\"object\"}");
    assert_int_equal(prompt->output_tokens_max, 9);
    config_free(&config);
    write_file("prompts/q.yaml", "name: p\nversion: 1\ntext: x\n");
    assert_null(load("box: 1\n", &problem));
    assert_non_null(strstr(problem.text, "the prompt \"p\" is in "));
    for (int name = 'p'; name <= 'q'; name++) {
        snprintf(path, sizeof(path), "%s/prompts/%c.yaml", folder, name);
        unlink(path);
    }
}

static void test_shipped(void **state)
{
    struct text_problem problem = {.text = ""};
    struct config *config = config_load(SHIPPED "/demo/purser.yaml", &problem);

    (void)state;
    if (config == NULL)
        print_message("%s:%u: %s\n", problem.file, problem.line, problem.text);
    assert_non_null(config);
    assert_true(config->allow_plain_loopback);
    assert_non_null(config_prompt(config, SLICE("order-thanks")));
    assert_true(config->workflow_count > 0);
    assert_non_null(config_limit(config, SLICE("smtp/default")));
    const struct price *price = config_price(config, SLICE("gemini-3.8-flash"), INT64_C(1796000000000));
    assert_int_equal(price->input_micros, 750000);
    price = config_price(config, SLICE("gemini-3.8-flash"), INT64_C(1800000000000));
    assert_int_equal(price->output_micros, 7500000);
    assert_null(config_price(config, SLICE("gemini-3.8-flash"), 0));
    assert_null(config_price(config, SLICE("none"), INT64_C(1800000000000)));
    config_free(&config);
}

/* The shipped example is what the program prints, and it says what holds without it. */
static void test_example(void **state)
{
    struct buffer printed = {NULL, 0, 0}, shipped = {NULL, 0, 0};
    struct text_problem problem;
    FILE *file = fopen(SHIPPED "/purser.example.yaml", "r");
    char chunk[4096];
    size_t got;

    (void)state;
    assert_non_null(file);
    while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buffer_append(&shipped, chunk, got);
    fclose(file);
    config_print_example(&printed);
    assert_true(slice_equal(buffer_slice(&printed), buffer_slice(&shipped)));
    buffer_append(&printed, "", 1);
    struct config *config = load(printed.data, &problem);
    assert_non_null(config);
    assert_int_equal(config->http_port, 8420);
    config_free(&config);
    buffer_clear(&printed);
    config_print_reference(&printed);
    assert_non_null(memmem(printed.data, printed.size, "| `http_port` | integer | `8420` | 1 to 65535 |", 47));
    buffer_free(&printed);
    buffer_free(&shipped);
}

static void test_workflows(void **state)
{
    static const char steps[] = "steps:\n  - id: a\n    generate: {prompt: p}\n";
    static const char *const starts[][2] = {
        {"mode: live\non:\n  - webhook: h\n", "4:14: there is no hook \"h\"; known: a, b"},
        {"mode: live\non:\n  - webhook: a\n    topic: y\n",
         "5:12: the hook \"a\" does not take the topic \"y\"; add it to the hook's topics"},
        {"mode: shadow\non:\n  - queue: r\n", "4:12: there is no queue \"r\"; known: q"},
        {"mode: live\non:\n  - webhook: a\n    topic: x\n", "8:24: there is no prompt \"p\"; known: none"},
        {"mode: off\non:\n  - webhook: h\n", NULL},
    };
    char path[200], text[600], place[600];

    (void)state;
    snprintf(path, sizeof(path), "%s/workflows", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct text_problem problem;
        snprintf(text, sizeof(text), "workflow: w\n%s%s", starts[i][0], steps);
        write_file("workflows/w.yaml", text);
        struct config *config = load("prompts_dir: none\nqueues:\n  q: {}\nhooks:\n  a: {scheme: shopify, secret: s, "
                                     "topic: x}\n  b: {scheme: shopify, secret: s, topics: [z]}\n",
                                     &problem);
        assert_int_equal(config != NULL, starts[i][1] == NULL);
        if (config == NULL) {
            snprintf(place, sizeof(place), "%u:%u: %s", problem.line, problem.column, problem.text);
            assert_string_equal(place, starts[i][1]);
        }
        config_free(&config);
    }
    snprintf(path, sizeof(path), "%s/workflows/w.yaml", folder);
    unlink(path);
    snprintf(path, sizeof(path), "%s/workflows", folder);
    rmdir(path);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    write_file("limits.yaml", "limits:\n  smtp/default: {concurrency: 1}\n  gemini/default: {per_day: 20}\n");
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"limits.yaml", "purser.yaml"};
    char path[200];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s/prompts", folder);
    rmdir(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses),   cmocka_unit_test(test_default), cmocka_unit_test(test_paths_and_lists),
        cmocka_unit_test(test_prompts),   cmocka_unit_test(test_shipped), cmocka_unit_test(test_example),
        cmocka_unit_test(test_workflows),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
