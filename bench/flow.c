// SPDX-License-Identifier: MIT
/* The run machine without a disk: step transitions a second, beside parsing and writing the same record alone.
 * An event is what the scheduler does for it: the record is read, the machine walks, record and operations are written.
 * usage: bench-flow SECONDS ORDER.json */
#include "bench/measure.h"
#include "flow/run/machine.h"
#include "proto/check.h"

static const int64_t START_MS = 1767603600000;

struct flow {
    struct workflow *workflow;
    struct expression_engine *engine;
    json_t *trigger;
    struct buffer ops, record; /* the record as the last event left it */
    struct run run;
    uint64_t ids, jobs;
    size_t events, steps;
};

/* A job that the machine pushed for a worker. */
struct pushed {
    uint64_t job;
    char step[RECORD_INSTANCE_MAX + 1];
    bool is_there, goes_on;
};

static void die(const char *what)
{
    fprintf(stderr, "bench-flow: %s\n", what);
    exit(1);
}

static json_t *read_json(struct slice text)
{
    struct json_problem problem;
    json_t *value = json_read(text, &problem);

    if (value == NULL)
        die(problem.text);
    return value;
}

static json_t *read_trigger(const char *path)
{
    static char text[64 * 1024];
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        die(path);
    size_t size = fread(text, 1, sizeof(text), file);
    fclose(file);
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "kind", "webhook", "hook", "shopify-orders", "topic", "orders/create",
                     "shop", "bench.example", "body", read_json((struct slice){text, size}));
}

static struct workflow *parse(struct buffer *yaml)
{
    struct text_problem problem;
    struct workflow *workflow = workflow_parse("bench.yaml", buffer_slice(yaml), &problem);
    char text[800];

    if (workflow == NULL) {
        text_problem_print(&problem, text, sizeof(text));
        die(text);
    }
    buffer_free(yaml);
    return workflow;
}

static struct machine machine_of(struct flow *flow)
{
    static const struct run_shop shop = {"Bench", "Europe/Berlin", "EUR"};

    buffer_clear(&flow->ops);
    return (struct machine){.workflow = flow->workflow,
                            .run = &flow->run,
                            .shop = &shop,
                            .engine = flow->engine,
                            .ids = &flow->ids,
                            .ids_left = MACHINE_IDS_MAX,
                            .now_ms = START_MS,
                            .ops = &flow->ops};
}

/* The job that the last event pushed, if it did, and the record that it wrote. */
static struct pushed see(struct flow *flow)
{
    struct pushed pushed = {.is_there = false};
    struct wire wire = wire_over(buffer_slice(&flow->ops));
    struct payload payload;
    struct op op;

    while (op_take(&wire, &op))
        if (op.id == OP_RUN) {
            buffer_clear(&flow->record);
            buffer_append(&flow->record, op.run.record.data, op.run.record.size);
        } else if (op.id == OP_PUSH && payload_take(op.push.payload, &payload)) {
            pushed = (struct pushed){.job = op.push.id, .is_there = true, .goes_on = payload.id == PAYLOAD_GO_ON};
            snprintf(pushed.step, sizeof(pushed.step), "%.*s", (int)op.push.step.size, op.push.step.data);
        }
    return pushed;
}

static struct pushed end_event(struct flow *flow, struct machine *machine)
{
    CHECK(!machine->is_wanting);
    machine_put_run(machine);
    flow->events++;
    flow->steps += machine->steps_begun;
    return see(flow);
}

static struct pushed begin(struct flow *flow)
{
    json_incref(flow->trigger);
    run_begin(&flow->run, ++flow->jobs, flow->workflow, WORKFLOW_LIVE, flow->trigger, START_MS);
    struct machine machine = machine_of(flow);
    machine_go_on(&machine);
    return end_event(flow, &machine);
}

static struct pushed go_on(struct flow *flow, const struct pushed *pushed)
{
    struct payload_step_done done = {.run = flow->run.id,
                                     .step = slice_of(pushed->step),
                                     .job = pushed->job,
                                     .error = ERROR_OK,
                                     .result = SLICE("{\"subject\":\"Thank you\",\"paragraph\":\"It is on its way.\"}"),
                                     .attempts = 1};
    uint64_t id = flow->run.id;

    run_fini(&flow->run);
    flow->run = (struct run){.id = id, .state = RUN_OPEN};
    if (!run_read(&flow->run, buffer_slice(&flow->record)))
        die("a record that cannot be read");
    struct machine machine = machine_of(flow);
    if (pushed->goes_on)
        machine_go_on(&machine);
    else if (!machine_step_done(&machine, &done, true))
        die("nothing waits for the job");
    return end_event(flow, &machine);
}

static void play(struct flow *flow)
{
    struct pushed pushed = begin(flow);

    while (flow->run.state == RUN_OPEN && pushed.is_there)
        pushed = go_on(flow, &pushed);
    if (flow->run.state != RUN_DONE)
        die("the run is not done");
    run_fini(&flow->run);
}

/* The plain limit: the ended run's record parsed and written, and nothing else. */
static double measure_json(const struct flow *flow, double seconds)
{
    struct buffer text = {NULL, 0, 0};
    double start = measure_now(), now = start;
    uint64_t done = 0;

    for (; now - start < seconds; now = measure_now(), done++) {
        json_t *value = read_json(buffer_slice(&flow->record));
        buffer_clear(&text);
        json_write(&text, value);
        json_decref(value);
    }
    buffer_free(&text);
    return (double)done / (now - start);
}

static void measure(struct flow *flow, const char *name, struct buffer *yaml, double seconds)
{
    double start, now;
    char text[64];
    size_t runs = 0;

    flow->workflow = parse(yaml);
    play(flow);
    flow->events = flow->steps = 0;
    start = now = measure_now();
    for (; now - start < seconds; now = measure_now(), runs++)
        play(flow);
    double rounds = measure_json(flow, seconds / 2);
    snprintf(text, sizeof(text), "json-%s", name);
    measure_print(text, rounds, "records/s");
    snprintf(text, sizeof(text), "events-%s", name);
    measure_print(text, (double)flow->events / (now - start), "events/s");
    snprintf(text, sizeof(text), "steps-%s", name);
    measure_print(text, (double)flow->steps / (now - start), "steps/s");
    snprintf(text, sizeof(text), "record-%s", name);
    measure_print(text, (double)flow->record.size, "bytes");
    fprintf(stderr, "%s: %zu steps and %zu events a run\n", name, flow->steps / runs, flow->events / runs);
    workflow_destroy(&flow->workflow);
}

#define HEAD "workflow: bench\nmode: live\non:\n  - webhook: shopify-orders\nsteps:\n"

static struct buffer plain_steps(size_t count)
{
    struct buffer yaml = {NULL, 0, 0};

    buffer_printf(&yaml, "%s", HEAD);
    for (size_t i = 0; i < count; i++)
        buffer_printf(&yaml, "  - {id: s%zu, log: noted}\n", i);
    return yaml;
}

/* Ten of them compute: each evaluation begins from nothing. */
static struct buffer computing_steps(size_t count)
{
    struct buffer yaml = {NULL, 0, 0};

    buffer_printf(&yaml, "%s", HEAD);
    for (size_t i = 0; i < count; i++)
        buffer_printf(&yaml,
                      "  - {id: s%zu, count: {book: b, amount: \"{{ minor(trigger.body.total_price, "
                      "trigger.body.currency) }}\"}}\n",
                      i);
    return yaml;
}

static struct buffer fan_steps(void)
{
    struct buffer yaml = {NULL, 0, 0};

    buffer_printf(&yaml,
                  "%s  - {id: list, log: \"100\", with: {value: \"{{ (function() local l = {} for i = 1, 100 do "
                  "table.insert(l, i) end return l end)() }}\"}}\n",
                  HEAD);
    buffer_printf(&yaml, "  - id: both\n    parallel:\n      left:\n        - id: each\n"
                         "          for_each: \"{{ steps.list.result.value }}\"\n          do:\n"
                         "            - {id: kept, log: noted}\n"
                         "      right:\n        - {id: other, log: noted}\n");
    return yaml;
}

static struct buffer worker_steps(size_t count)
{
    struct buffer yaml = {NULL, 0, 0};

    buffer_printf(&yaml, "%s", HEAD);
    for (size_t i = 0; i < count; i++)
        buffer_printf(&yaml, "  - {id: s%zu, email: {to: a@bench.example, subject: hello, text: hello}}\n", i);
    return yaml;
}

int main(int argc, char **argv)
{
    double seconds = argc == 3 ? strtod(argv[1], NULL) : 0;
    struct flow flow = {.ids = 1};
    struct buffer yaml;

    if (seconds <= 0) {
        fprintf(stderr, "usage: bench-flow SECONDS ORDER.json\n");
        return 2;
    }
    flow.trigger = read_trigger(argv[2]);
    flow.engine = expression_engine_new(NULL);
    yaml = plain_steps(20);
    measure(&flow, "20-plain", &yaml, seconds);
    yaml = computing_steps(20);
    measure(&flow, "20-computing", &yaml, seconds);
    yaml = fan_steps();
    measure(&flow, "fan-100", &yaml, seconds);
    yaml = worker_steps(10);
    measure(&flow, "10-workers", &yaml, seconds);
    json_decref(flow.trigger);
    buffer_free(&flow.ops);
    buffer_free(&flow.record);
    expression_engine_destroy(&flow.engine);
    return 0;
}
