/* Kernels are compiled under a name that is as long as names may be. Their own takes its place in the object's table of
 * strings, which keeps its size: what is left is zeros. */
#include <elf.h>
#include <string.h>

#include "codegen/cpu/compile.h"

const char *em_any_name(void) {
    static const char name[] = "kernel"
                               "$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$"
                               "$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$"
                               "$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$";
    _Static_assert(sizeof name == DS_SYMBOL_BYTES, "every name fits");
    return name;
}

/* The only place of the text in a table of strings; NULL: none, or not the only one. */
static char *find_once(char *table, size_t size, const char *text, char *before) {
    size_t length = strlen(text) + 1;
    char *found = before;
    for (char *at = table, *end = table + size; (size_t)(end - at) >= length; at++) {
        at = memchr(at, text[0], (size_t)(end - at) - length + 1);
        if (!at) break;
        if (memcmp(at, text, length)) continue;
        if (found) return NULL;
        found = at;
    }
    return found;
}

bool em_name_symbol(ds_object *object, const char *name) {
    Elf64_Ehdr head;
    char *bytes = object->bytes, *place = NULL;
    size_t length = strlen(name) + 1;
    if (object->length < sizeof head || length > DS_SYMBOL_BYTES) return false;
    memcpy(&head, bytes, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) || head.e_shoff > object->length) return false;
    if ((object->length - head.e_shoff) / sizeof(Elf64_Shdr) < head.e_shnum) return false;
    for (size_t i = 0; i < head.e_shnum; i++) {
        Elf64_Shdr s;
        memcpy(&s, bytes + head.e_shoff + i * sizeof s, sizeof s);
        if (s.sh_type != SHT_STRTAB) continue;
        if (s.sh_offset > object->length || s.sh_size > object->length - s.sh_offset) return false;
        char *found = find_once(bytes + s.sh_offset, s.sh_size, em_any_name(), place);
        if (!found && place) return false;
        place = found;
    }
    if (!place) return false;
    memset(place, 0, DS_SYMBOL_BYTES);
    memcpy(place, name, length);
    return true;
}
