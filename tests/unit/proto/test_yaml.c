// SPDX-License-Identifier: MIT
#include "proto/text/yaml.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BRACES "YAML reads an unquoted {{ as the start of a map; put quotes around it: \"{{ ... }}\""

static const struct {
    const char *text, *problem;
} refused[] = {
    {"", "f.yaml:1:1: the file is empty"},
    {"# only a comment\n", "f.yaml:1:1: the file is empty"},
    {"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: the key \"a\" stands here twice; the first one is in line 1"},
    {"a: {x: 1, x: 2}\n", "f.yaml:1:11: the key \"x\" stands here twice; the first one is in line 1"},
    {"to: {{ order.email }}\n", "f.yaml:1:5: " BRACES},
    {"steps:\n  - to: {{ order.email }}\n", "f.yaml:2:9: " BRACES},
    {"list:\n  - {{ a }}\n", "f.yaml:2:5: " BRACES},
    {"list: [ {{ a }} ]\n", "f.yaml:1:9: " BRACES},
    {"to: {{ order.email }} and more\n", "f.yaml:1:5: " BRACES},
    {"to: {{ @x }}\n", "f.yaml:1:5: " BRACES},
    {"text: Hello {{ a: b }}\n", "f.yaml:1:13: " BRACES},
    {"to: {{ a\n  }}\n", "f.yaml:1:5: " BRACES},
    {"a: &x 1\n", "f.yaml:1:4: anchors (&) are not part of this format"},
    {"a: *x\n", "f.yaml:1:4: aliases (*) are not part of this format; put quotes around a text"},
    {"a: !!str 1\n", "f.yaml:1:4: tags (!) are not part of this format"},
    {"a: ! {}\n", "f.yaml:1:4: tags (!) are not part of this format"},
    {"a: &x []\n", "f.yaml:1:4: anchors (&) are not part of this format"},
    {"<<: 1\n", "f.yaml:1:1: merge keys (<<) are not part of this format"},
    {"a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document begins here; one file holds one document"},
    {"%YAML 1.1\n---\na: 1\n", "f.yaml:1:1: directives (%) are not part of this format"},
    {"? [a]\n: 1\n", "f.yaml:1:3: a key must be a plain text"},
    {"'': 1\n", "f.yaml:1:1: a key is empty"},
    {"a: \"x\\0y\"\n", "f.yaml:1:4: a text holds a NUL character"},
    {"a: \xff\n", "f.yaml:1:1: the file is not plain UTF-8 text"},
    {"a: 1\n\tb: 2\n", "f.yaml:2:1: a tab stands in the indentation; YAML wants blanks there"},
    {"a:\n  \t- 1\n", "f.yaml:2:3: a tab stands in the indentation; YAML wants blanks there"},
    {"\xef\xbb\xbf"
     "a: 1\na: 2\n",
     "f.yaml:2:1: the key \"a\" stands here twice; the first one is in line 1"},
    {"a: 'x\n", "f.yaml:2:1: not valid YAML: found unexpected end of stream while scanning a quoted scalar"},
    {"a: \"{{ x }}\" y\n", "f.yaml:1:14: not valid YAML: did not find expected key while parsing a block mapping"},
};

static void test_refuses(void **state)
{
    char printed[700];
    struct text_problem problem;

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct yaml_node *node = yaml_read("f.yaml", slice_of(refused[i].text), &problem);
        assert_null(node);
        text_problem_print(&problem, printed, sizeof(printed));
        assert_string_equal(printed, refused[i].problem);
    }
}

static void test_tree(void **state)
{
    struct text_problem problem;
    struct yaml_node *root = yaml_read("f.yaml",
                                       SLICE("---\nname: größe\nflag: \"no\"\nempty:\nlist: [a, {k: v}]\n"
                                             "text: |\n  {{ one }}\n  two\nplain: Hello {{ name }}\n"),
                                       &problem);

    (void)state;
    assert_non_null(root);
    assert_int_equal(root->kind, YAML_MAP);
    assert_int_equal(root->count, 6);
    assert_string_equal(yaml_get(root, "name")->text, "größe");
    assert_false(yaml_get(root, "name")->quoted);
    assert_true(yaml_get(root, "flag")->quoted);
    assert_int_equal(yaml_get(root, "empty")->size, 0);
    const struct yaml_node *list = yaml_get(root, "list");
    assert_int_equal(list->kind, YAML_LIST);
    assert_int_equal(list->count, 2);
    assert_string_equal(list->child->text, "a");
    assert_null(list->child->key);
    assert_string_equal(yaml_get(list->child->next, "k")->text, "v");
    assert_int_equal(yaml_get(list->child->next, "k")->key_column, 12);
    assert_string_equal(yaml_get(root, "text")->text, "{{ one }}\ntwo\n");
    assert_int_equal(yaml_get(root, "text")->key_line, 6);
    assert_string_equal(yaml_get(root, "plain")->text, "Hello {{ name }}");
    assert_null(yaml_get(root, "absent"));
    assert_null(yaml_get(list, "a"));
    yaml_node_free(root);
}

static void test_bounds(void **state)
{
    struct text_problem problem;
    struct buffer text = {NULL, 0, 0};

    (void)state;
    for (int i = 0; i < 33; i++)
        buffer_text(&text, "[");
    assert_null(yaml_read("f", buffer_slice(&text), &problem));
    assert_string_equal(problem.text, "nested too deep");
    assert_int_equal(problem.column, 33);
    buffer_clear(&text);
    for (int i = 0; i < 100001; i++)
        buffer_text(&text, "- 1\n");
    assert_null(yaml_read("f", buffer_slice(&text), &problem));
    assert_string_equal(problem.text, "too many values in one file");
    buffer_clear(&text);
    while (text.size <= 1 << 20)
        buffer_text(&text, "################\n");
    assert_null(yaml_read("f", buffer_slice(&text), &problem));
    assert_string_equal(problem.text, "larger than 1048576 bytes");
    buffer_free(&text);
}

static void test_files(void **state)
{
    struct text_problem problem;
    char printed[700];

    (void)state;
    assert_null(yaml_read_file("/nonexistent/x.yaml", &problem));
    text_problem_print(&problem, printed, sizeof(printed));
    assert_string_equal(printed, "/nonexistent/x.yaml: cannot be read: No such file or directory");
    assert_null(yaml_read_file("/", &problem));
    assert_string_equal(problem.text, "cannot be read: Is a directory");
}

static void test_only(void **state)
{
    const char *const known[] = {"trigger", "steps", "unique", NULL};
    struct text_problem problem;
    struct yaml_node *root = yaml_read("f", SLICE("trigger: a\nstpes: b\n"), &problem);

    (void)state;
    assert_non_null(root);
    assert_false(yaml_only("f", root, known, &problem));
    assert_string_equal(problem.text, "unknown key \"stpes\"; did you mean \"steps\"?");
    assert_int_equal(problem.line, 2);
    assert_false(yaml_only("f", root->child, known, &problem));
    assert_string_equal(problem.text, "here belongs a map (key: value)");
    yaml_node_free(root);
    root = yaml_read("f", SLICE("completely_other: a\n"), &problem);
    assert_false(yaml_only("f", root, known, &problem));
    assert_string_equal(problem.text, "unknown key \"completely_other\"");
    yaml_node_free(root);
}

static void test_nearest(void **state)
{
    const char *const words[] = {"http_port", "http_address", "box", NULL};

    (void)state;
    assert_string_equal(text_nearest("htp_port", words), "http_port");
    assert_string_equal(text_nearest("http_adress", words), "http_address");
    assert_null(text_nearest("abc", words));
    assert_null(text_nearest("", words));
    assert_null(text_nearest("something_else", words));
}

static void test_byte_order_mark(void **state)
{
    struct text_problem problem;
    struct yaml_node *node = yaml_read("f.yaml",
                                       SLICE("\xef\xbb\xbf"
                                             "a: 1\n"),
                                       &problem);

    (void)state;
    assert_non_null(node);
    assert_string_equal(yaml_get(node, "a")->text, "1");
    yaml_node_free(node);
    assert_null(yaml_read("f.yaml", SLICE("\xef\xbb\xbf"), &problem));
    assert_string_equal(problem.text, "the file is empty");
}

static void test_long_problem_keeps_utf8(void **state)
{
    struct text_problem problem;
    char text[1000] = "x";

    (void)state;
    for (size_t i = 1; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text_problem_set(&problem, "f", 1, 1, "%s", text);
    assert_true(slice_is_utf8(slice_of(problem.text)));
    text_problem_set(&problem, "f", 1, 1, "%s", text + 1);
    assert_true(slice_is_utf8(slice_of(problem.text)));
    assert_true(strlen(problem.text) >= 398);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_only),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_long_problem_keeps_utf8),
        cmocka_unit_test(test_byte_order_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
