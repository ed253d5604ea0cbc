// SPDX-License-Identifier: MIT
#include "proto/text/yaml.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

enum { DEPTH_MAX = 32, BYTES_MAX = 1 << 20, NODES_MAX = 100000, KEY_BYTES_MAX = 120, WORD_BYTES_MAX = 64 };

/* One open list or map. Nodes are chained where they belong as soon as they are made, so one root frees all. */
struct frame {
    struct yaml_node *node;
    struct yaml_node **tail; /* where the next entry goes */
    bool flow;
    char *key; /* a map's key that waits for its value; owned */
    unsigned key_line, key_column;
};

struct builder {
    const char *file;
    struct slice text;
    struct text_problem *problem;
    yaml_parser_t parser;
    struct yaml_node *root;
    struct frame frames[DEPTH_MAX];
    size_t depth, nodes;
};

/* Cuts a UTF-8 sequence that vsnprintf left unfinished. */
static void mend_end(char *text)
{
    size_t size = strlen(text);
    size_t tail = size;

    while (tail > 0 && ((unsigned char)text[tail - 1] & 0xc0) == 0x80)
        tail--;
    if (tail > 0 && (unsigned char)text[tail - 1] >= 0xc0 && !slice_is_utf8(slice_of(text + tail - 1)))
        text[tail - 1] = '\0';
}

void text_problem_set(struct text_problem *problem, const char *file, unsigned line, unsigned column,
                      const char *format, ...)
{
    va_list args;

    snprintf(problem->file, sizeof(problem->file), "%s", file);
    problem->line = line;
    problem->column = column;
    va_start(args, format);
    vsnprintf(problem->text, sizeof(problem->text), format, args);
    va_end(args);
    mend_end(problem->file);
    mend_end(problem->text);
}

void text_problem_print(const struct text_problem *problem, char *into, size_t size)
{
    if (problem->line == 0)
        snprintf(into, size, "%s: %s", problem->file, problem->text);
    else
        snprintf(into, size, "%s:%u:%u: %s", problem->file, problem->line, problem->column, problem->text);
}

static bool fail_at(struct builder *builder, yaml_mark_t mark, const char *what)
{
    text_problem_set(builder->problem, builder->file, (unsigned)mark.line + 1, (unsigned)mark.column + 1, "%s", what);
    return false;
}

static bool fail_braces(struct builder *builder, unsigned line, unsigned column)
{
    text_problem_set(builder->problem, builder->file, line, column,
                     "YAML reads an unquoted {{ as the start of a map; put quotes around it: \"{{ ... }}\"");
    return false;
}

/* The text of a 0-based line. */
static struct slice line_at(struct slice text, size_t line)
{
    const char *at = text.data, *end = text.data + text.size;

    for (; line > 0 && at != NULL && at < end; line--) {
        at = memchr(at, '\n', (size_t)(end - at));
        at = at != NULL ? at + 1 : end;
    }
    if (at == NULL || at >= end)
        return (struct slice){NULL, 0};
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    return (struct slice){at, (size_t)((stop != NULL ? stop : end) - at)};
}

/* The 1-based column of the first {{ outside quotes and comments on that line, or 0. */
static unsigned braces_on(struct slice line)
{
    char quote = '\0';
    unsigned column = 0;

    for (size_t i = 0; i < line.size; i++) {
        char byte = line.data[i];
        column += ((unsigned char)byte & 0xc0) != 0x80;
        if (quote == '\0' && byte == '#' && (i == 0 || line.data[i - 1] == ' '))
            return 0;
        if (quote == '"' && byte == '\\')
            i++, column++;
        else if (quote == '\0' && (byte == '"' || byte == '\''))
            quote = byte;
        else if (byte == quote)
            quote = '\0';
        else if (quote == '\0' && byte == '{' && i + 1 < line.size && line.data[i + 1] == '{')
            return column;
    }
    return 0;
}

/* The 1-based column of a tab among the blanks that begin the line, or 0. */
static unsigned tab_in_indent(struct slice line)
{
    for (size_t i = 0; i < line.size && (line.data[i] == ' ' || line.data[i] == '\t'); i++)
        if (line.data[i] == '\t')
            return (unsigned)i + 1;
    return 0;
}

/* A syntax error on a line with an unquoted {{ is most likely about the {{. */
static bool fail_syntax(struct builder *builder)
{
    const yaml_parser_t *parser = &builder->parser;
    const yaml_mark_t marks[] = {parser->problem_mark, parser->context_mark};

    if (parser->error == YAML_READER_ERROR) {
        text_problem_set(builder->problem, builder->file, 1, 1, "the file is not plain UTF-8 text");
        return false;
    }
    for (size_t i = 0; i < 2; i++) {
        unsigned column = braces_on(line_at(builder->text, marks[i].line));
        if (column > 0)
            return fail_braces(builder, (unsigned)marks[i].line + 1, column);
    }
    unsigned tab = tab_in_indent(line_at(builder->text, parser->problem_mark.line));
    if (tab > 0) {
        text_problem_set(builder->problem, builder->file, (unsigned)parser->problem_mark.line + 1, tab,
                         "a tab stands in the indentation; YAML wants blanks there");
        return false;
    }
    text_problem_set(builder->problem, builder->file, (unsigned)parser->problem_mark.line + 1,
                     (unsigned)parser->problem_mark.column + 1, "not valid YAML: %s%s%s",
                     parser->problem ? parser->problem : "cannot be read", parser->context ? " " : "",
                     parser->context ? parser->context : "");
    return false;
}

static struct frame *top(struct builder *builder)
{
    return builder->depth > 0 ? &builder->frames[builder->depth - 1] : NULL;
}

static bool waits_for_key(const struct frame *frame)
{
    return frame != NULL && frame->node->kind == YAML_MAP && frame->key == NULL;
}

static struct yaml_node *add(struct builder *builder, enum yaml_kind kind, yaml_mark_t mark)
{
    struct frame *frame = top(builder);
    struct yaml_node *node;

    if (++builder->nodes > NODES_MAX) {
        fail_at(builder, mark, "too many values in one file");
        return NULL;
    }
    node = xcalloc(1, sizeof(*node));
    node->kind = kind;
    node->line = (unsigned)mark.line + 1;
    node->column = (unsigned)mark.column + 1;
    if (frame == NULL) {
        builder->root = node;
        return node;
    }
    node->key = frame->key;
    node->key_line = frame->key_line;
    node->key_column = frame->key_column;
    frame->key = NULL;
    frame->node->count++;
    *frame->tail = node;
    frame->tail = &node->next;
    return node;
}

static bool take_key(struct builder *builder, const yaml_event_t *event)
{
    struct frame *frame = top(builder);
    const char *text = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;

    if (size == 0 || size > KEY_BYTES_MAX)
        return fail_at(builder, event->start_mark, size == 0 ? "a key is empty" : "a key is too long");
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(text, "<<") == 0)
        return fail_at(builder, event->start_mark, "merge keys (<<) are not part of this format");
    frame->key = slice_dup((struct slice){text, size});
    frame->key_line = (unsigned)event->start_mark.line + 1;
    frame->key_column = (unsigned)event->start_mark.column + 1;
    return true;
}

static bool on_scalar(struct builder *builder, const yaml_event_t *event)
{
    struct slice text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    struct yaml_node *node;

    if (event->data.scalar.anchor != NULL)
        return fail_at(builder, event->start_mark, "anchors (&) are not part of this format");
    if (event->data.scalar.tag != NULL)
        return fail_at(builder, event->start_mark, "tags (!) are not part of this format");
    if (text.size > 0 && memchr(text.data, '\0', text.size) != NULL)
        return fail_at(builder, event->start_mark, "a text holds a NUL character");
    if (waits_for_key(top(builder)))
        return take_key(builder, event);
    node = add(builder, YAML_SCALAR, event->start_mark);
    if (node == NULL)
        return false;
    node->text = slice_dup(text);
    node->size = text.size;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return true;
}

static bool on_open(struct builder *builder, enum yaml_kind kind, bool flow, yaml_mark_t mark)
{
    struct frame *frame = top(builder);
    struct yaml_node *node;

    if (waits_for_key(frame)) {
        if (frame->flow && kind == YAML_MAP && frame->node->count == 0)
            return fail_braces(builder, frame->node->line, frame->node->column);
        return fail_at(builder, mark, "a key must be a plain text");
    }
    if (builder->depth == DEPTH_MAX)
        return fail_at(builder, mark, "nested too deep");
    node = add(builder, kind, mark);
    if (node == NULL)
        return false;
    builder->frames[builder->depth++] = (struct frame){.node = node, .tail = &node->child, .flow = flow};
    return true;
}

static bool on_map(struct builder *builder, const yaml_event_t *event)
{
    if (event->data.mapping_start.anchor != NULL)
        return fail_at(builder, event->start_mark, "anchors (&) are not part of this format");
    if (event->data.mapping_start.tag != NULL)
        return fail_at(builder, event->start_mark, "tags (!) are not part of this format");
    return on_open(builder, YAML_MAP, event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE, event->start_mark);
}

static bool on_list(struct builder *builder, const yaml_event_t *event)
{
    if (event->data.sequence_start.anchor != NULL)
        return fail_at(builder, event->start_mark, "anchors (&) are not part of this format");
    if (event->data.sequence_start.tag != NULL)
        return fail_at(builder, event->start_mark, "tags (!) are not part of this format");
    return on_open(builder, YAML_LIST, event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE, event->start_mark);
}

static int by_key(const void *a, const void *b)
{
    const struct yaml_node *left = *(const struct yaml_node *const *)a;
    const struct yaml_node *right = *(const struct yaml_node *const *)b;
    int order = strcmp(left->key, right->key);

    if (order != 0)
        return order;
    if (left->key_line != right->key_line)
        return left->key_line < right->key_line ? -1 : 1;
    return left->key_column < right->key_column ? -1 : 1;
}

/* Sorting keeps a map of many keys from costing the square of their count. */
static bool keys_differ(struct builder *builder, const struct yaml_node *map)
{
    const struct yaml_node **sorted;
    size_t count = 0;
    bool differ = true;

    if (map->kind != YAML_MAP || map->count < 2)
        return true;
    sorted = xcalloc(map->count, sizeof(const struct yaml_node *));
    for (const struct yaml_node *entry = map->child; entry != NULL; entry = entry->next)
        sorted[count++] = entry;
    qsort(sorted, count, sizeof(sorted[0]), by_key);
    for (size_t i = 1; i < count && differ; i++) {
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) != 0)
            continue;
        text_problem_set(builder->problem, builder->file, sorted[i]->key_line, sorted[i]->key_column,
                         "the key \"%s\" stands here twice; the first one is in line %u", sorted[i]->key,
                         sorted[i - 1]->key_line);
        differ = false;
    }
    free(sorted);
    return differ;
}

static bool on_document(struct builder *builder, const yaml_event_t *event)
{
    if (builder->root != NULL)
        return fail_at(builder, event->start_mark, "a second document begins here; one file holds one document");
    if (event->data.document_start.version_directive != NULL ||
        event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end)
        return fail_at(builder, event->start_mark, "directives (%) are not part of this format");
    return true;
}

static bool on_event(struct builder *builder, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return on_document(builder, event);
    case YAML_ALIAS_EVENT:
        return fail_at(builder, event->start_mark, "aliases (*) are not part of this format; put quotes around a text");
    case YAML_SCALAR_EVENT:
        return on_scalar(builder, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_list(builder, event);
    case YAML_MAPPING_START_EVENT:
        return on_map(builder, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return keys_differ(builder, builder->frames[--builder->depth].node);
    default:
        return true;
    }
}

static bool build(struct builder *builder)
{
    bool more = true;

    while (more) {
        yaml_event_t event;
        if (!yaml_parser_parse(&builder->parser, &event))
            return fail_syntax(builder);
        more = event.type != YAML_STREAM_END_EVENT;
        bool good = on_event(builder, &event);
        yaml_event_delete(&event);
        if (!good)
            return false;
    }
    if (builder->root != NULL)
        return true;
    text_problem_set(builder->problem, builder->file, 1, 1, "the file is empty");
    return false;
}

struct yaml_node *yaml_read(const char *file, struct slice text, struct text_problem *problem)
{
    struct builder builder = {.file = file, .problem = problem};

    /* Some editors begin a file with a byte order mark, which libyaml takes for a document of its own. */
    if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
        text = (struct slice){text.data + 3, text.size - 3};
    builder.text = text;
    if (text.size > BYTES_MAX) {
        text_problem_set(problem, file, 0, 0, "larger than %d bytes", BYTES_MAX);
        return NULL;
    }
    if (!yaml_parser_initialize(&builder.parser))
        abort();
    yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&builder.parser, (const unsigned char *)(text.size ? text.data : ""), text.size);
    bool good = build(&builder);
    yaml_parser_delete(&builder.parser);
    for (size_t i = 0; i < builder.depth; i++)
        free(builder.frames[i].key);
    if (!good)
        yaml_node_free(builder.root);
    return good ? builder.root : NULL;
}

/* The bytes of a regular file into `into`; an errno value otherwise (EFBIG past the bound). */
static int read_whole(int fd, struct buffer *into)
{
    char chunk[8192];
    struct stat info;
    ssize_t size;

    if (fstat(fd, &info) != 0)
        return errno;
    if (!S_ISREG(info.st_mode))
        return S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    while ((size = read(fd, chunk, sizeof(chunk))) > 0) {
        buffer_append(into, chunk, (size_t)size);
        if (into->size > BYTES_MAX)
            return EFBIG;
    }
    return size < 0 ? errno : 0;
}

struct yaml_node *yaml_read_file(const char *path, struct text_problem *problem)
{
    struct buffer content = {NULL, 0, 0};
    struct yaml_node *node = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int error = fd < 0 ? errno : read_whole(fd, &content);

    if (fd >= 0)
        close(fd);
    if (error == 0)
        node = yaml_read(path, buffer_slice(&content), problem);
    else
        text_problem_set(problem, path, 0, 0, "cannot be read: %s", strerror(error));
    buffer_free(&content);
    return node;
}

/* Recursion is bounded by DEPTH_MAX: yaml_read() makes no deeper tree. */
void yaml_node_free(struct yaml_node *node)
{
    while (node != NULL) {
        struct yaml_node *next = node->next;
        yaml_node_free(node->child);
        free(node->text);
        free(node->key);
        free(node);
        node = next;
    }
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (map == NULL || map->kind != YAML_MAP)
        return NULL;
    for (const struct yaml_node *entry = map->child; entry != NULL; entry = entry->next)
        if (strcmp(entry->key, key) == 0)
            return entry;
    return NULL;
}

bool yaml_only(const char *file, const struct yaml_node *map, const char *const known[], struct text_problem *problem)
{
    if (map->kind != YAML_MAP) {
        text_problem_set(problem, file, map->line, map->column, "here belongs a map (key: value)");
        return false;
    }
    for (const struct yaml_node *entry = map->child; entry != NULL; entry = entry->next) {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], entry->key) != 0)
            i++;
        if (known[i] != NULL)
            continue;
        const char *nearest = text_nearest(entry->key, known);
        text_problem_set(problem, file, entry->key_line, entry->key_column, "unknown key \"%s\"%s%s%s", entry->key,
                         nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
        return false;
    }
    return true;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein; both words are shorter than WORD_BYTES_MAX. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_BYTES_MAX];
    size_t width = strlen(b);

    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t above = row[j];
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            row[j] = least(replaced, least(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[width];
}

const char *text_nearest(const char *word, const char *const candidates[])
{
    const char *nearest = NULL;
    size_t best = least(4, strlen(word)); /* a word replaced in full is no near word */

    if (strlen(word) >= WORD_BYTES_MAX)
        return NULL;
    for (size_t i = 0; candidates[i] != NULL; i++) {
        if (strlen(candidates[i]) >= WORD_BYTES_MAX)
            continue;
        size_t apart = distance(word, candidates[i]);
        if (apart < best) {
            best = apart;
            nearest = candidates[i];
        }
    }
    return nearest;
}
