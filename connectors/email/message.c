// SPDX-License-Identifier: MIT
#include "connectors/email/message.h"
#include "connectors/connector.h"
#include <string.h>

/* A quoted-printable line holds 75 bytes and the '=' of a soft break. An encoded word is at most 75 bytes, 12 of them
 * frame, which leaves 60 base64 digits: 45 bytes; the first one shares its line with the field's name. */
enum { QP_LINE_MAX = 75, WORD_BYTES_MAX = 45, FIRST_WORD_BYTES_MAX = 36, PLAIN_SUBJECT_MAX = 66 };

/* "=_" never comes out of the quoted-printable encoder, so no part can contain the boundary. */
static const char boundary[] = "=_purser_part";

const char *message_header_problem(struct slice text, size_t size_max)
{
    if (text.size > size_max)
        return "is too long";
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
            return "holds a line end or another control character";
    return slice_is_utf8(text) ? NULL : "is no valid UTF-8";
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static const char *host_problem(struct slice host)
{
    size_t label = 0;

    if (host.size == 0 || host.size > 253)
        return "has no usable host name behind the '@'";
    for (size_t i = 0; i < host.size; i++) {
        char c = host.data[i];
        if (c == '.') {
            if (label == 0 || host.data[i - 1] == '-')
                return "has an empty or unfinished label in its host name";
            label = 0;
        } else if (!is_alnum(c) && (c != '-' || label == 0)) {
            return (unsigned char)c >= 0x80 ? "has a host name that is not ASCII; write it in its xn-- form"
                                            : "has a character in its host name that is not allowed";
        } else if (++label > 63) {
            return "has a label of more than 63 bytes in its host name";
        }
    }
    return label == 0 || host.data[host.size - 1] == '-' ? "has an unfinished host name" : NULL;
}

const char *message_address_problem(struct slice address)
{
    const char *at = address.size ? memrchr(address.data, '@', address.size) : NULL;

    if (address.size > ADDRESS_MAX)
        return "is longer than 254 bytes";
    if (at == NULL)
        return address.size ? "has no '@'" : "is missing";
    struct slice local = {address.data, (size_t)(at - address.data)};
    struct slice host = {at + 1, address.size - local.size - 1};
    if (local.size == 0 || local.size > 64)
        return "has a part before the '@' that is empty or longer than 64 bytes";
    for (size_t i = 0; i < local.size; i++) {
        char c = local.data[i];
        bool dot_in_place = c == '.' && i > 0 && i + 1 < local.size && local.data[i - 1] != '.';
        if (!is_alnum(c) && !dot_in_place && (c == '\0' || strchr("!#$%&'*+-/=?^_`{|}~", c) == NULL))
            return "has a character before the '@' that is not allowed";
    }
    return host_problem(host);
}

static void base64_append(struct buffer *into, const char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < size; i += 3) {
        uint32_t word = (uint32_t)(unsigned char)data[i] << 16;
        if (i + 1 < size)
            word |= (uint32_t)(unsigned char)data[i + 1] << 8;
        if (i + 2 < size)
            word |= (unsigned char)data[i + 2];
        char four[4] = {digits[word >> 18], digits[word >> 12 & 63], i + 1 < size ? digits[word >> 6 & 63] : '=',
                        i + 2 < size ? digits[word & 63] : '='};
        buffer_append(into, four, sizeof(four));
    }
}

/* Words of RFC 2047, one a line; none splits a character. */
static void words_append(struct buffer *into, struct slice text)
{
    for (size_t at = 0; at < text.size;) {
        size_t most = at == 0 ? FIRST_WORD_BYTES_MAX : WORD_BYTES_MAX;
        size_t size = text.size - at < most ? text.size - at : most;
        while (at + size < text.size && ((unsigned char)text.data[at + size] & 0xc0) == 0x80)
            size--;
        buffer_text(into, at == 0 ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?");
        base64_append(into, text.data + at, size);
        buffer_text(into, "?=");
        at += size;
    }
}

static bool stands_plain(struct slice text)
{
    if (text.size > PLAIN_SUBJECT_MAX || memmem(text.data, text.size, "=?", 2) != NULL)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.data[i] >= 0x80)
            return false;
    return text.data[0] != ' ' && text.data[text.size - 1] != ' ';
}

static void subject_append(struct buffer *into, struct slice subject)
{
    buffer_text(into, "Subject: ");
    if (subject.size > 0 && stands_plain(subject))
        buffer_append(into, subject.data, subject.size);
    else
        words_append(into, subject);
    buffer_text(into, "\r\n");
}

/* A display name: quoted when plain, encoded otherwise; the address on its own line keeps both short. */
static void mailbox_append(struct buffer *into, const char *field, struct slice name, struct slice address)
{
    buffer_printf(into, "%s: ", field);
    if (name.size == 0) {
        buffer_printf(into, "%.*s\r\n", (int)address.size, address.data);
        return;
    }
    if (stands_plain(name) && memchr(name.data, '"', name.size) == NULL && memchr(name.data, '\\', name.size) == NULL)
        buffer_printf(into, "\"%.*s\"", (int)name.size, name.data);
    else
        words_append(into, name);
    buffer_printf(into, "\r\n <%.*s>\r\n", (int)address.size, address.data);
}

static void date_append(struct buffer *into, int64_t ms)
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t seconds = ms > 0 ? ms / 1000 : 0;
    int64_t day = seconds / 86400;
    unsigned of_day = (unsigned)(seconds % 86400);
    struct civil_date date = civil_from_days(day);

    buffer_printf(into, "Date: %s, %02u %s %04d %02u:%02u:%02u +0000\r\n", days[day % 7], date.day,
                  months[date.month - 1], date.year, of_day / 3600, of_day / 60 % 60, of_day % 60);
}

/* Appends one encoded byte or a literal, breaking the line softly before it would get too long. */
static void qp_put(struct buffer *into, size_t *column, const char *piece, size_t size)
{
    if (*column + size > QP_LINE_MAX) {
        buffer_text(into, "=\r\n");
        *column = 0;
    }
    buffer_append(into, piece, size);
    *column += size;
}

/* Quoted-printable of a text: its line ends (LF, CR LF or CR) become CR LF; blanks at a line's end are encoded. */
static void qp_append(struct buffer *into, struct slice text)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t column = 0;

    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool last = i + 1 == text.size || text.data[i + 1] == '\n' || text.data[i + 1] == '\r';
        if (c == '\r' || c == '\n') {
            buffer_text(into, "\r\n");
            column = 0;
            i += c == '\r' && i + 1 < text.size && text.data[i + 1] == '\n';
        } else if ((c > 0x20 && c < 0x7f && c != '=') || ((c == ' ' || c == '\t') && !last)) {
            qp_put(into, &column, (const char *)&c, 1);
        } else {
            char piece[3] = {'=', hex[c >> 4], hex[c & 15]};
            qp_put(into, &column, piece, sizeof(piece));
        }
    }
    if (column > 0)
        buffer_text(into, "\r\n");
}

static void part_append(struct buffer *into, const char *type, struct slice text)
{
    buffer_printf(into, "Content-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", type);
    qp_append(into, text);
}

void message_build(struct buffer *into, const struct message *message)
{
    mailbox_append(into, "From", message->from_name, message->from);
    mailbox_append(into, "To", (struct slice){NULL, 0}, message->to);
    if (message->reply_to.size > 0)
        mailbox_append(into, "Reply-To", (struct slice){NULL, 0}, message->reply_to);
    subject_append(into, message->subject);
    date_append(into, message->date_ms);
    buffer_printf(into, "Message-ID: <%.*s>\r\n", (int)message->message_id.size, message->message_id.data);
    buffer_text(into, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n");
    if (message->html.size == 0) {
        part_append(into, "text/plain", message->text);
        return;
    }
    buffer_printf(into, "Content-Type: multipart/alternative; boundary=\"%s\"\r\n\r\n--%s\r\n", boundary, boundary);
    part_append(into, "text/plain", message->text);
    buffer_printf(into, "--%s\r\n", boundary);
    part_append(into, "text/html", message->html);
    buffer_printf(into, "--%s--\r\n", boundary);
}
