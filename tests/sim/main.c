// SPDX-License-Identifier: MIT
/* purser-sim: runs seeds of the simulated world and prints the invariants' verdict. */
#include "config/config.h"
#include "tests/sim/sim.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "usage: purser-sim [--seed N] [--seeds COUNT] [--days D] [--config FILE] [--log LEVEL] [--twice] [--forgetful]\n"
    "Runs COUNT seeds from N on, each D virtual days with outages, crashes, clock steps and disk faults, then calm.\n"
    "Prints a line a seed with its trace hash, and exits 1 when an invariant broke. --twice runs each seed again and\n"
    "compares the hashes (I8). --forgetful lets the disk forget what it acknowledged shortly before a crash: a check "
    "of\n"
    "the checks, which must find breaches.\n";

struct settings {
    uint64_t seed, seeds;
    unsigned days;
    const char *config;
    enum log_level log;
    bool twice, forgetful;
};

static bool number(const char *text, uint64_t max, uint64_t *value)
{
    char *end;

    errno = 0;
    unsigned long long parsed = strtoull(text, &end, 10);
    *value = parsed;
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && parsed <= max;
}

static bool parse(int argc, char **argv, struct settings *settings)
{
    static const struct option options[] = {
        {"seed", 1, NULL, 's'}, {"seeds", 1, NULL, 'n'}, {"days", 1, NULL, 'd'},      {"config", 1, NULL, 'c'},
        {"log", 1, NULL, 'l'},  {"twice", 0, NULL, 't'}, {"forgetful", 0, NULL, 'f'}, {NULL, 0, NULL, 0}};
    uint64_t days = 7;
    int option;
    bool ok = true;

    while (ok && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            ok = number(optarg, UINT64_MAX, &settings->seed);
        else if (option == 'n')
            ok = number(optarg, 1000000, &settings->seeds);
        else if (option == 'd')
            ok = number(optarg, 3650, &days);
        else if (option == 'c')
            settings->config = optarg;
        else if (option == 'l')
            ok = log_level_from_name(slice_of(optarg), &settings->log);
        else if (option == 't')
            settings->twice = true;
        else if (option == 'f')
            settings->forgetful = true;
        else
            ok = false;
    }
    settings->days = (unsigned)days;
    return ok && optind == argc;
}

static bool write_secret(const char *folder, const char *name, const char *value)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);
    if (fd >= 0)
        close(fd);
    return ok;
}

static const char *const secret_files[] = {"shopify.webhook", "gemini.key", "mail.password", "telegram.token"};

static bool make_secrets(char *folder)
{
    return mkdtemp(folder) != NULL && write_secret(folder, secret_files[0], "sim-secret") &&
           write_secret(folder, secret_files[1], "sim-key") && write_secret(folder, secret_files[2], "sim-password") &&
           write_secret(folder, secret_files[3], "500:sim-token");
}

static void remove_secrets(const char *folder)
{
    char path[256];

    for (size_t i = 0; i < sizeof(secret_files) / sizeof(secret_files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, secret_files[i]);
        unlink(path);
    }
    rmdir(folder);
}

/* One seed; true when every invariant held. */
static bool run_seed(uint64_t seed, const struct settings *settings, struct config *config, bool print, uint64_t *trace)
{
    struct sim *sim = sim_new(seed, config);

    sim->forgetful = settings->forgetful;
    sim_run(sim, settings->days);
    bool ok = sim->breach[0] == '\0';
    *trace = sim->trace;
    if (print) {
        const struct cloud_counts *counts = cloud_counts(sim->cloud);
        printf("seed %" PRIu64 " days %u trace %016" PRIx64 " orders %" PRIu64 " mails %" PRIu64 " approved %" PRId64
               " crashes %" PRIu64 " restarts %" PRIu64 " %s%s\n",
               seed, settings->days, sim->trace, counts->orders, counts->mails, sim->approved, sim->crashes,
               sim->actor_restarts, ok ? "ok" : "BREACH ", sim->breach);
        fflush(stdout);
    }
    sim_destroy(&sim);
    return ok;
}

static int run(const struct settings *settings, struct config *config)
{
    uint64_t breaches = 0, trace, again;

    for (uint64_t seed = settings->seed; seed < settings->seed + settings->seeds; seed++) {
        breaches += !run_seed(seed, settings, config, true, &trace);
        if (!settings->twice)
            continue;
        run_seed(seed, settings, config, false, &again);
        if (trace != again) {
            printf("seed %" PRIu64 " BREACH I8: second run has trace %016" PRIx64 "\n", seed, again);
            breaches++;
        }
    }
    printf("%" PRIu64 " seeds, %" PRIu64 " breaches: invariants I1-I8 %s\n", settings->seeds, breaches,
           breaches ? "BROKEN" : "hold");
    return breaches ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct settings settings = {.seed = 1, .seeds = 1, .days = 7, .config = "tests/sim/purser.yaml", .log = LOG_ERROR};
    char folder[] = "/tmp/purser-sim-XXXXXX", place[700];
    struct text_problem problem;

    if (!parse(argc, argv, &settings)) {
        fputs(usage, stderr);
        return 2;
    }
    struct config *config = config_load(settings.config, &problem);
    if (config == NULL) {
        text_problem_print(&problem, place, sizeof(place));
        fprintf(stderr, "purser-sim: %s\n", place);
        return 2;
    }
    if (!make_secrets(folder)) {
        fprintf(stderr, "purser-sim: cannot write below /tmp: %s\n", strerror(errno));
        return 2;
    }
    free(config->secrets_dir);
    config->secrets_dir = slice_dup(slice_of(folder));
    log_setup(STDERR_FILENO, LOG_FORMAT_TEXT, settings.log);
    int code = run(&settings, config);
    remove_secrets(folder);
    config_free(&config);
    return code;
}
