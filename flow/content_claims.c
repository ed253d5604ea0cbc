// SPDX-License-Identifier: MIT
#include "flow/content_claims.h"
#include "flow/content_text.h"
#include "flow/money.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CLAIMS_MAX = 4000, CLAIM_TEXT_MAX = 80, FACTS_DEPTH_MAX = 32, PHONE_DIGITS_MIN = 7, PHONE_GROUPS_MAX = 12 };
static const int64_t MILLI_MAX = INT64_C(1000000000000000);

/* The plain text under work. What was understood is blanked out, so that a link's digits are no price as well. */
struct page {
    struct claims *claims;
    char *text;
    size_t size;
    bool is_fact;
};

static bool is_word_byte(char byte)
{
    return isalnum((unsigned char)byte) || (unsigned char)byte >= 0x80;
}

static bool is_digit(const struct page *page, size_t at)
{
    return at < page->size && page->text[at] >= '0' && page->text[at] <= '9';
}

/* Takes the bytes from `first` to `end` as a claim and blanks them. */
static struct claim *claim_add(struct page *page, enum claim_kind kind, size_t first, size_t end)
{
    struct claims *claims = page->claims;
    struct slice text = {page->text + first, end - first > CLAIM_TEXT_MAX ? CLAIM_TEXT_MAX : end - first};
    struct claim *claim;

    if (claims->count == CLAIMS_MAX)
        return NULL;
    while (text.size > 0 && !slice_is_utf8(text))
        text.size--;
    if (claims->count % 64 == 0)
        claims->items = xrealloc(claims->items, (claims->count + 64) * sizeof(claims->items[0]));
    claim = &claims->items[claims->count++];
    *claim = (struct claim){.kind = kind, .text = slice_dup(text), .key = slice_dup(SLICE("")), .integer = -1};
    memset(page->text + first, '\t', end - first);
    return claim;
}

static void claim_key(struct claim *claim, struct slice key, size_t lower)
{
    if (claim == NULL)
        return;
    free(claim->key);
    claim->key = slice_dup(key);
    for (size_t i = 0; i < key.size && i < lower; i++)
        claim->key[i] = (char)tolower((unsigned char)claim->key[i]);
}

/* ---- addresses and mentions ---- */

static bool is_local_byte(char byte)
{
    return is_word_byte(byte) || (byte != '\0' && strchr("._%+-", byte) != NULL);
}

static bool is_host_byte(char byte)
{
    return is_word_byte(byte) || byte == '.' || byte == '-';
}

static void read_at_sign(struct page *page, size_t at)
{
    size_t first = at, end = at + 1;

    while (first > 0 && is_local_byte(page->text[first - 1]))
        first--;
    while (end < page->size && (is_host_byte(page->text[end]) || (first == at && page->text[end] == '_')))
        end++;
    while (end > at + 1 && (page->text[end - 1] == '.' || page->text[end - 1] == '-'))
        end--;
    if (end == at + 1)
        return;
    struct slice whole = {page->text + first, end - first};
    char *key = slice_dup(whole);
    if (first == at)
        claim_key(claim_add(page, CLAIM_MENTION, first, end), slice_of(key), SIZE_MAX);
    else if (memchr(page->text + at, '.', end - at) != NULL)
        claim_key(claim_add(page, CLAIM_ADDRESS, first, end), slice_of(key), SIZE_MAX);
    free(key);
}

/* ---- links ---- */

static bool is_link_byte(char byte)
{
    return (unsigned char)byte > ' ' && byte != 0x7f && strchr("\"<>()[]{}|\\^`", byte) == NULL;
}

/* Host and path decide where a link leads; "www.", a slash at the end and what follows ? or # do not. */
static void link_add(struct page *page, size_t first, size_t host, size_t end)
{
    while (end > host && strchr(".,;:!?*_'", page->text[end - 1]) != NULL)
        end--;
    bool is_web = host == first || (host - first == 7 && strncasecmp(page->text + first, "http://", 7) == 0) ||
                  (host - first == 8 && strncasecmp(page->text + first, "https://", 8) == 0);
    size_t from = is_web ? host : first, stop = from;

    if (is_web && end - from > 4 && strncasecmp(page->text + from, "www.", 4) == 0)
        from += 4;
    for (stop = from; stop < end && page->text[stop] != '?' && page->text[stop] != '#';)
        stop++;
    while (stop > from && page->text[stop - 1] == '/')
        stop--;
    char *key = slice_dup((struct slice){page->text + from, stop - from});
    size_t lower = strcspn(key, "/");
    claim_key(claim_add(page, CLAIM_LINK, first, end), slice_of(key), lower);
    free(key);
}

/* Ends of a host that stands without a scheme. Facts may name others: there nobody is fooled. */
static bool is_domain(const struct page *page, size_t first, size_t end)
{
    static const char ends[] =
        " com net org info biz eu de at ch uk fr it es nl be pl cz dk se no fi ie pt gr hu ro us ca au nz br mx jp cn "
        "in "
        "ru ua tr io co ai me ly to tv cc gg gl fm sh app dev shop store online xyz site web page link click top club "
        "vip live news blog cloud agency email sale deals gift win bid loan work fun icu cyou tk ml ga cf pw su ";
    size_t dot = end;
    char last[28];

    while (dot > first && page->text[dot - 1] != '.')
        dot--;
    if (dot <= first + 1 || end - dot < 2 || end - dot > 24)
        return false;
    for (size_t i = dot; i < end; i++)
        if (!isalpha((unsigned char)page->text[i]) && (unsigned char)page->text[i] < 0x80)
            return false;
    if (page->is_fact || (end - first > 4 && strncasecmp(page->text + first, "www.", 4) == 0) ||
        (end < page->size && page->text[end] == '/'))
        return true;
    snprintf(last, sizeof(last), " %.*s ", (int)(end - dot), page->text + dot);
    for (char *at = last; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    return strstr(ends, last) != NULL;
}

static void read_schemes(struct page *page)
{
    for (size_t at = 0; at + 3 < page->size; at++) {
        size_t first = at, end = at + 3;
        if (memcmp(page->text + at, "://", 3) != 0)
            continue;
        while (first > 0 && isalnum((unsigned char)page->text[first - 1]))
            first--;
        while (end < page->size && is_link_byte(page->text[end]))
            end++;
        if (end > at + 3 && first < at)
            link_add(page, first, at + 3, end);
    }
}

static void read_hosts(struct page *page)
{
    for (size_t at = 0; at < page->size;) {
        size_t first = at, end, whole;
        while (at < page->size && is_host_byte(page->text[at]))
            at++;
        end = whole = at;
        while (end > first && (page->text[end - 1] == '.' || page->text[end - 1] == '-'))
            end--;
        while (first < end && (page->text[first] == '.' || page->text[first] == '-'))
            first++;
        if (end > first && is_domain(page, first, end)) {
            if (end == whole && end < page->size && strchr("/?#:", page->text[end]) != NULL)
                while (end < page->size && is_link_byte(page->text[end]))
                    end++;
            at = end > at ? end : at;
            link_add(page, first, first, end);
        }
        at += at < page->size;
    }
}

/* ---- amounts ---- */

struct amount {
    size_t first, end;
    int64_t milli;
    bool is_grouped_once; /* "1.234": a point with three digits behind it */
};

/* A sign that divides digits: its bytes, 0 for none. A space divides only before three digits. */
static size_t divider(const struct page *page, size_t at)
{
    if (at >= page->size)
        return 0;
    size_t size = strchr(".,'", page->text[at]) != NULL && page->text[at] != '\0' ? 1 : 0;

    if (page->size - at > 3 && memcmp(page->text + at, "\xe2\x80\x99", 3) == 0)
        size = 3;
    if (size > 0)
        return is_digit(page, at + size) ? size : 0;
    return page->text[at] == ' ' && is_digit(page, at + 1) && is_digit(page, at + 2) && is_digit(page, at + 3) &&
                   !is_digit(page, at + 4)
               ? 1
               : 0;
}

static struct amount amount_read(const struct page *page, size_t at)
{
    struct amount amount = {.first = at};
    int64_t whole = 0, part = 0, unit = 1;
    size_t behind = 0, dividers = 0, step;
    char last = '\0';
    bool are_equal = true;

    for (;;) {
        for (behind = 0, part = 0, unit = 1; is_digit(page, at); at++, behind++) {
            whole = whole < MILLI_MAX ? whole * 10 + (page->text[at] - '0') : whole;
            part = unit < 1000 ? part * 10 + (page->text[at] - '0') : part;
            unit = behind < 18 ? unit * 10 : unit;
        }
        step = divider(page, at);
        if (step == 0)
            break;
        are_equal = are_equal && (last == '\0' || last == page->text[at]);
        last = page->text[at];
        dividers++;
        at += step;
    }
    bool is_decimal = (last == '.' || last == ',') && (behind != 3 || !are_equal) && (dividers == 1 || !are_equal);
    amount.end = at;
    amount.is_grouped_once = dividers == 1 && behind == 3 && (last == '.' || last == ',');
    if (!is_decimal)
        amount.milli = whole <= MILLI_MAX / 1000 ? whole * 1000 : MILLI_MAX;
    else {
        whole = unit > 0 ? whole / unit : 0;
        while (behind < 3) {
            part *= 10;
            behind++;
        }
        amount.milli = whole <= MILLI_MAX / 1000 ? whole * 1000 + part : MILLI_MAX;
    }
    return amount;
}

static const struct currency {
    const char *sign, *code; /* code "": the sign is used for several */
    bool is_cent;
} currencies[] = {
    {"€", "EUR", false},     {"$", "", false},       {"£", "GBP", false},     {"¥", "", false},
    {"₹", "INR", false},     {"₽", "RUB", false},  {"₺", "TRY", false},     {"₴", "UAH", false},
    {"₩", "KRW", false},     {"zł", "PLN", false},   {"Kč", "CZK", false},    {"Ft", "HUF", false},
    {"kr", "", false},       {"SFr", "CHF", false},  {"euros", "EUR", false}, {"euro", "EUR", false},
    {"Euros", "EUR", false}, {"Euro", "EUR", false}, {"dollars", "", false},  {"dollar", "", false},
    {"Dollar", "", false},   {"cents", "", true},    {"cent", "", true},      {"Cents", "", true},
    {"Cent", "", true},      {"eur", "EUR", false},  {"usd", "USD", false},   {"gbp", "GBP", false},
    {"chf", "CHF", false},
};

/* Whether a currency stands at `at`; its bytes, 0 for none. A word must end there. */
static size_t currency_at(const struct page *page, size_t at, struct currency *found, char code[4])
{
    static const char codes[] = "EUR USD GBP CHF JPY SEK NOK DKK PLN CZK HUF RON BGN CAD AUD NZD CNY HKD SGD INR BRL "
                                "MXN ZAR TRY KRW RUB UAH ILS THB KWD BHD OMR JOD TND AED SAR";
    char word[8];

    for (size_t i = 0; i < sizeof(currencies) / sizeof(currencies[0]); i++) {
        size_t size = strlen(currencies[i].sign);
        if (page->size - at < size || memcmp(page->text + at, currencies[i].sign, size) != 0 ||
            (isalpha((unsigned char)currencies[i].sign[0]) && at + size < page->size &&
             is_word_byte(page->text[at + size]) && !is_digit(page, at + size)))
            continue;
        *found = currencies[i];
        snprintf(code, 4, "%.3s", found->code);
        return size;
    }
    for (size_t i = 0; i < 3; i++)
        if (at + i >= page->size || !isupper((unsigned char)page->text[at + i]))
            return 0;
    snprintf(word, sizeof(word), "%.3s", page->text + at);
    if (strstr(codes, word) == NULL ||
        (at + 3 < page->size && is_word_byte(page->text[at + 3]) && !is_digit(page, at + 3)))
        return 0;
    *found = (struct currency){codes, codes, false};
    snprintf(code, 4, "%.3s", word);
    return 3;
}

/* The currency that ends where the amount begins, a space between them allowed. */
static size_t currency_before(const struct page *page, size_t first, struct currency *found, char code[4])
{
    size_t end = first > 0 && (page->text[first - 1] == ' ' || page->text[first - 1] == '.') ? first - 1 : first;

    for (size_t size = 7; size > 0; size--)
        if (size <= end && currency_at(page, end - size, found, code) == size &&
            (end == size || !is_word_byte(page->text[end - size]) || !is_word_byte(page->text[end - size - 1])))
            return end - size;
    return SIZE_MAX;
}

static bool take_price(struct page *page, struct amount amount)
{
    struct currency currency;
    char code[4] = "";
    size_t first = amount.first, end = amount.end, size, before;

    if (page->size - end > 1 && strchr(".,", page->text[end]) != NULL && page->text[end + 1] == '-')
        end += 2;
    size_t after = end + (end < page->size && page->text[end] == ' ');
    size = after < page->size ? currency_at(page, after, &currency, code) : 0;
    /* "2 $10 mugs": the sign belongs to what follows. */
    if (size > 0 && !is_digit(page, after + size))
        end = after + size;
    else if ((before = currency_before(page, first, &currency, code)) != SIZE_MAX)
        first = before;
    else
        return false;
    struct claim *claim = claim_add(page, CLAIM_PRICE, first, end);
    if (claim == NULL)
        return true;
    claim->milli = currency.is_cent ? amount.milli / 100 : amount.milli;
    if (amount.is_grouped_once && money_exponent(slice_of(code)) == 3)
        claim->milli = amount.milli / 1000;
    memcpy(claim->currency, code, sizeof(code));
    return true;
}

static bool take_percent(struct page *page, struct amount amount)
{
    static const char *const words[] = {"%", "‰", "percent", "per cent", "Prozent", "prozent", "pct"};
    size_t at = amount.end + (amount.end < page->size && page->text[amount.end] == ' ');

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t size = strlen(words[i]);
        if (page->size - at < size || memcmp(page->text + at, words[i], size) != 0)
            continue;
        struct claim *claim = claim_add(page, CLAIM_PERCENT, amount.first, at + size);
        if (claim != NULL)
            claim->milli = amount.milli;
        return true;
    }
    return false;
}

static void read_amounts(struct page *page)
{
    for (size_t at = 0; at < page->size;) {
        if (!is_digit(page, at)) {
            at++;
            continue;
        }
        struct amount amount = amount_read(page, at);
        at = amount.end;
        if (!take_percent(page, amount))
            take_price(page, amount);
    }
}

/* ---- telephone numbers ---- */

struct digits {
    size_t end, count, groups;
    size_t sizes[PHONE_GROUPS_MAX];
    char signs[PHONE_GROUPS_MAX]; /* before each group */
};

/* Groups of digits divided by one sign, or by a sign and a space. */
static struct digits digits_read(const struct page *page, size_t at)
{
    struct digits found = {.end = at};

    while (found.groups < PHONE_GROUPS_MAX) {
        size_t from = at, size = 0;
        while (at < page->size && at - from < 3 && page->text[at] != '\0' && strchr(" -./()+", page->text[at]) != NULL)
            at++;
        if (at - from > 1 && memchr(page->text + from, ' ', at - from) == NULL &&
            memchr(page->text + from, '(', at - from) == NULL && memchr(page->text + from, ')', at - from) == NULL)
            break;
        while (is_digit(page, at + size))
            size++;
        if (size == 0)
            break;
        found.signs[found.groups] = at > from ? page->text[at - 1] : '\0';
        found.sizes[found.groups++] = size;
        found.count += size;
        at += size;
        found.end = at;
    }
    return found;
}

static bool is_date(const struct digits *found)
{
    const size_t *sizes = found->sizes;

    if (found->groups < 3 || found->signs[1] != found->signs[2] || found->signs[1] == ' ')
        return false;
    return (sizes[0] == 4 && sizes[1] <= 2 && sizes[2] <= 2) ||
           (sizes[0] <= 2 && sizes[1] <= 2 && (sizes[2] == 2 || sizes[2] == 4));
}

static bool is_phone(const struct page *page, size_t first, const struct digits *found)
{
    char head = page->text[first];
    bool is_thousands = found->sizes[0] <= 3;

    if (found->count < PHONE_DIGITS_MIN || (!page->is_fact && is_date(found)))
        return false;
    if (page->is_fact || head == '+' || head == '0' || head == '(')
        return true;
    for (size_t i = 1; i < found->groups; i++)
        is_thousands = is_thousands && found->sizes[i] == 3;
    return found->count >= 9 || (found->groups >= 3 && !is_thousands);
}

static void read_phones(struct page *page)
{
    for (size_t at = 0; at < page->size;) {
        bool begins = is_digit(page, at) || (strchr("+(", page->text[at]) != NULL && page->text[at] != '\0');
        if (!begins || (at > 0 && is_word_byte(page->text[at - 1]))) {
            at++;
            continue;
        }
        struct digits found = digits_read(page, at);
        if (found.groups == 0) {
            at++;
            continue;
        }
        if (!is_phone(page, at, &found)) {
            at += is_date(&found) && !page->is_fact ? found.sizes[0] + found.sizes[1] + found.sizes[2] + 2 : 1;
            while (is_digit(page, at))
                at++;
            continue;
        }
        struct buffer key = {NULL, 0, 0};
        for (size_t i = at; i < found.end; i++)
            if (is_digit(page, i) && (key.size > 0 || page->text[i] != '0'))
                buffer_append(&key, page->text + i, 1);
        claim_key(claim_add(page, CLAIM_PHONE, at, found.end), buffer_slice(&key), 0);
        buffer_free(&key);
        at = found.end;
    }
}

/* ---- both sides ---- */

static void read_plain(struct claims *claims, struct slice plain, bool is_fact)
{
    struct page page = {claims, slice_dup(plain), plain.size, is_fact};

    for (size_t at = 0; at < page.size; at++)
        if (page.text[at] == '@')
            read_at_sign(&page, at);
    read_schemes(&page);
    read_hosts(&page);
    read_amounts(&page);
    read_phones(&page);
    free(page.text);
}

void claims_read(struct claims *claims, struct slice text)
{
    struct buffer plain = {NULL, 0, 0};

    content_plain(text, &plain);
    read_plain(claims, buffer_slice(&plain), false);
    buffer_free(&plain);
}

static void number_add(struct claims *claims, int64_t milli, int64_t integer)
{
    char none[1] = "";
    struct page page = {claims, none, 0, true};
    struct claim *claim = claim_add(&page, CLAIM_NUMBER, 0, 0);

    if (claim == NULL)
        return;
    claim->milli = milli < 0 ? -milli : milli;
    claim->integer = integer;
}

static void read_fact_text(struct claims *claims, struct slice text)
{
    struct buffer plain = {NULL, 0, 0};

    content_plain(text, &plain);
    struct page page = {claims, plain.data, plain.size, true};
    if (is_digit(&page, 0)) {
        struct amount amount = amount_read(&page, 0);
        if (amount.end == plain.size)
            number_add(claims, amount.milli, -1);
    }
    read_plain(claims, buffer_slice(&plain), true);
    buffer_free(&plain);
}

static void read_fact(struct claims *claims, const json_t *fact, unsigned depth)
{
    if (depth > FACTS_DEPTH_MAX)
        return;
    if (json_is_string(fact))
        read_fact_text(claims, (struct slice){json_string_value(fact), json_string_length(fact)});
    else if (json_is_integer(fact) && llabs(json_integer_value(fact)) <= MILLI_MAX / 1000)
        number_add(claims, json_integer_value(fact) * 1000, llabs(json_integer_value(fact)));
    else if (json_is_real(fact) && fabs(json_real_value(fact)) <= (double)(MILLI_MAX / 1000))
        number_add(claims, llround(json_real_value(fact) * 1000), -1);
    for (size_t i = 0; i < json_array_size(fact); i++)
        read_fact(claims, json_array_get(fact, i), depth + 1);
    for (void *at = json_object_iter((json_t *)(uintptr_t)fact); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)fact, at))
        read_fact(claims, json_object_iter_value(at), depth + 1);
}

void claims_read_facts(struct claims *claims, const json_t *facts)
{
    read_fact(claims, facts, 0);
}

static bool bears_price(const struct claim *fact, const struct claim *claim)
{
    int exponent = money_exponent(slice_of(claim->currency));
    int64_t minor = 1000;

    if (fact->kind == CLAIM_PRICE)
        return fact->milli == claim->milli && (claim->currency[0] == '\0' || fact->currency[0] == '\0' ||
                                               strcmp(fact->currency, claim->currency) == 0);
    if (fact->kind != CLAIM_NUMBER)
        return false;
    for (int i = exponent < 0 ? 2 : exponent; i > 0 && minor > 1; i--)
        minor /= 10;
    return fact->milli == claim->milli || (fact->integer >= 0 && fact->integer * minor == claim->milli);
}

/* With or without the country's code: the shorter one ends the longer one. */
static bool bears_phone(const struct claim *fact, const struct claim *claim)
{
    size_t one = strlen(fact->key), other = strlen(claim->key), less = one < other ? one : other;
    char digits[24];

    if (fact->kind == CLAIM_NUMBER && fact->integer >= 0) {
        snprintf(digits, sizeof(digits), "%lld", (long long)fact->integer);
        return strcmp(digits, claim->key) == 0;
    }
    return fact->kind == CLAIM_PHONE && less >= PHONE_DIGITS_MIN - 1 &&
           memcmp(fact->key + one - less, claim->key + other - less, less) == 0;
}

static bool bears_percent(const struct claim *fact, const struct claim *claim)
{
    if (fact->kind == CLAIM_PERCENT)
        return fact->milli == claim->milli;
    return fact->kind == CLAIM_NUMBER && (fact->milli == claim->milli || fact->milli * 100 == claim->milli);
}

bool claims_know(const struct claims *facts, const struct claim *claim)
{
    for (size_t i = 0; i < facts->count; i++) {
        const struct claim *fact = &facts->items[i];
        bool bears = claim->kind == CLAIM_PRICE     ? bears_price(fact, claim)
                     : claim->kind == CLAIM_PHONE   ? bears_phone(fact, claim)
                     : claim->kind == CLAIM_PERCENT ? bears_percent(fact, claim)
                                                    : fact->kind == claim->kind && strcmp(fact->key, claim->key) == 0;
        if (bears)
            return true;
    }
    return false;
}

void claims_free(struct claims *claims)
{
    for (size_t i = 0; i < claims->count; i++) {
        free(claims->items[i].text);
        free(claims->items[i].key);
    }
    free(claims->items);
    *claims = (struct claims){NULL, 0};
}
