// SPDX-License-Identifier: MIT
#include "runtime/io/address.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>
#include <cmocka.h>

static enum address_kind judge(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return address_judge((const struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return address_judge((const struct sockaddr *)&v6);
}

static void test_refused(void **state)
{
    static const char *const refused[] = {
        "0.0.0.0",     "10.0.0.1",        "100.64.0.1",  "100.127.255.255", "169.254.169.254", "172.16.0.1",
        "172.31.9.9",  "192.168.1.1",     "198.18.0.1",  "198.19.255.255",  "224.0.0.1",       "255.255.255.255",
        "240.0.0.1",   "::",              "fe80::1",     "fec0::1",         "fc00::1",         "fd12::1",
        "ff02::1",     "::ffff:8.8.8.8",  "::ffff:127.0.0.1", "::8.8.8.8",  "2002:7f00:1::",   "2001::1",
        "2001:db8::1", "64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b:1::1", "100::1",
    };
    struct sockaddr_un local = {.sun_family = AF_UNIX};

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
        assert_int_equal(judge(refused[i]), ADDRESS_REFUSED);
    assert_int_equal(address_judge((const struct sockaddr *)&local), ADDRESS_REFUSED);
}

static void test_allowed(void **state)
{
    static const char *const global[] = {"1.1.1.1",     "9.255.255.255", "11.0.0.1",     "100.63.255.255",
                                         "100.128.0.1", "172.15.0.1",    "172.32.0.1",   "192.167.1.1",
                                         "223.255.0.1", "2606:4700::1",  "2a00:1450::1", "64:ff9b::8.8.8.8"};

    (void)state;
    for (size_t i = 0; i < sizeof(global) / sizeof(*global); i++)
        assert_int_equal(judge(global[i]), ADDRESS_GLOBAL);
    assert_int_equal(judge("127.0.0.1"), ADDRESS_LOOPBACK);
    assert_int_equal(judge("127.255.0.9"), ADDRESS_LOOPBACK);
    assert_int_equal(judge("::1"), ADDRESS_LOOPBACK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_refused), cmocka_unit_test(test_allowed)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
