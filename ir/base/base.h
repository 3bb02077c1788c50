/* Ground floor: arenas, growing strings, diagnostics. Growing arrays and hash maps are stb_ds's.
 *
 * Ownership: an arena owns everything that was allocated from it until ds_arena_destroy. A ds_string owns its buffer.
 * Errors:    a function that reads input returns ds_status and says why through a ds_diag; it never prints or exits.
 *            Running out of memory ends the process with exit code 1 (ds_out_of_memory): there is
 *            nothing left to report with.
 */
#ifndef DS_BASE_H
#define DS_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stb/stb_ds.h>

#if defined(__GNUC__)
#define DS_PRINTF(text_at, first) __attribute__((format(printf, text_at, first)))
#define DS_MUST_USE __attribute__((warn_unused_result))
#define DS_NORETURN __attribute__((noreturn))
#else
#define DS_PRINTF(text_at, first)
#define DS_MUST_USE
#define DS_NORETURN
#endif

/* The values are dsc's exit codes. */
typedef enum { DS_OK = 0, DS_BAD_INPUT = 1, DS_BAD_USAGE = 2, DS_UNSUPPORTED = 3, DS_BUG = 4 } ds_status;

#define DS_TRY(call)                                                                                                   \
    do {                                                                                                               \
        ds_status try_status = (call);                                                                                 \
        if (try_status != DS_OK) return try_status;                                                                    \
    } while (0)

#define DS_COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- arena ---- */

typedef struct ds_arena ds_arena;
ds_arena *ds_arena_create(void);
void ds_arena_destroy(ds_arena *arena);
void *ds_arena_alloc(ds_arena *arena, size_t bytes); /* zeroed, aligned to 16 */
char *ds_arena_strndup(ds_arena *arena, const char *text, size_t length);
char *ds_arena_strdup(ds_arena *arena, const char *text);
char *ds_arena_printf(ds_arena *arena, const char *format, ...) DS_PRINTF(2, 3);
char *ds_arena_vprintf(ds_arena *arena, const char *format, va_list args);
DS_NORETURN void ds_out_of_memory(void);

#define DS_NEW(arena, type) ((type *)ds_arena_alloc((arena), sizeof(type)))
#define DS_NEW_ARRAY(arena, type, count) ((type *)ds_arena_alloc((arena), sizeof(type) * (size_t)(count)))

/* malloc that ends the process instead of returning NULL. */
void *ds_xmalloc(size_t bytes);
void *ds_xrealloc(void *old, size_t bytes);

/* Memory for much data: zeros, aligned to 64 at least, in large pages where the system has them. The size is needed to
 * free it. */
void *ds_pages_alloc(uint64_t bytes);
void ds_pages_free(void *pages, uint64_t bytes);

/* ---- growing string; zero-initialise, then append ---- */

typedef struct {
    char *data; /* NUL-terminated once something was appended */
    size_t length, capacity;
} ds_string;

void ds_string_append(ds_string *s, const char *text, size_t length);
void ds_string_printf(ds_string *s, const char *format, ...) DS_PRINTF(2, 3);
void ds_string_free(ds_string *s);

/* ---- stages of a compilation, for --timing ---- */

double ds_stage_start(void);
void ds_stage_print(double start, const char *name); /* how long it took since ds_stage_start, to standard error */

/* ---- diagnostics ---- */

typedef enum {
    DS_NO_CODE,
#define DS_ERROR(name, number, text) DS_E_##name = number,
#include "errors.def"
#undef DS_ERROR
} ds_error_code;

typedef enum { DS_ERROR, DS_WARNING, DS_NOTE } ds_severity;

/* Where in a text something stands, both from 1; line 0: nowhere. */
typedef struct {
    uint32_t line, column;
} ds_spot;

/* Where messages go. One sink a compilation; not for use from several threads at once. */
typedef struct {
    const char *file; /* name put before messages, or NULL */
    const char
        *source; /* the file's text, whose lines are shown with messages that have a spot, or NULL; it must stay */
    size_t source_length;
    bool json; /* one JSON object a line */
    int error_count;
    ds_string text; /* what was reported so far, ready to print */
} ds_diag;

/* Reports one message. `where` names the node, tensor or text position, or is NULL. Returns the status that belongs to
 * the code. */
ds_status ds_report(ds_diag *diag, ds_severity severity, ds_error_code code, const char *where, const char *format, ...)
    DS_PRINTF(5, 6);
/* The same about a spot of the text: FILE:LINE:COLUMN before the message, the line with a caret below behind it. */
ds_status ds_report_at(ds_diag *diag, ds_severity severity, ds_error_code code, ds_spot spot, const char *where,
                       const char *format, ...) DS_PRINTF(6, 7);
const char *ds_error_text(ds_error_code code);

/* Of the names, the one that `wrong` is a slip of: the same but for case, or for a letter or two. NULL when none is
 * near. Ask for one by one: `best` is what this has returned before, or NULL. */
const char *ds_nearer_name(const char *wrong, const char *best, const char *candidate);

#endif
