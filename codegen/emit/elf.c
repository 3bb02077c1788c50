/* A minimal ELF64 writer for weights (System V gABI): one read-only large-data section, one pointer to it. Weights
 * never pass through LLVM, and code reaches them through the pointer, so that their size does not matter to the code
 * model. Where no linker has to place them, they do not pass through it, either: it links a few bytes in their place,
 * and the section moves behind everything else. */
#include <elf.h>
#include <string.h>

#include "codegen/emit/output.h"

enum {
    SECTION_NULL,
    SECTION_DATA,
    SECTION_POINTER,
    SECTION_RELA,
    SECTION_SYMBOLS,
    SECTION_STRINGS,
    SECTION_NAMES,
    SECTION_STACK,
    SECTION_COUNT
};

static const char names[] = "\0.lrodata\0.data.rel.ro\0.rela.data.rel.ro\0.symtab\0.strtab\0.shstrtab\0.note.GNU-stack";

static uint32_t name_at(const char *name) {
    for (size_t i = 0; i < sizeof names; i++)
        if (names[i] == '.' && !strcmp(names + i, name)) return (uint32_t)i;
    return 0;
}

enum { WEIGHTS_ALIGN = 64 };

static const char weights_section[] = ".lrodata";

/* Zeros, until what is appended next is aligned in a file where `out` begins at `base`. */
static void pad(ds_string *out, uint64_t base, uint64_t align) {
    static const char zeros[WEIGHTS_ALIGN];
    ds_string_append(out, zeros, (size_t)((align - (base + out->length) % align) % align));
}

typedef struct {
    int at;
    const char *name;
    uint32_t type;
    uint64_t flags;
    const void *data;
    uint64_t size, align;
    uint32_t link, info;
    uint64_t entry;
} section;

static void append_section(ds_string *out, uint64_t base, Elf64_Shdr *headers, const section *s) {
    pad(out, base, s->align);
    headers[s->at] = (Elf64_Shdr){.sh_name = name_at(s->name),
                                  .sh_type = s->type,
                                  .sh_flags = s->flags,
                                  .sh_offset = base + out->length,
                                  .sh_size = s->size,
                                  .sh_link = s->link,
                                  .sh_info = s->info,
                                  .sh_addralign = s->align,
                                  .sh_entsize = s->entry};
    if (s->data) ds_string_append(out, s->data, (size_t)s->size);
}

void ds_weights_object(ds_string *before, ds_string *behind, const ds_target *target, const char *prefix,
                       uint64_t bytes) {
    bool x86 = strcmp(target->arch, "x86_64") == 0;
    Elf64_Shdr headers[SECTION_COUNT];
    Elf64_Ehdr head = {.e_type = ET_REL,
                       .e_machine = x86 ? EM_X86_64 : EM_AARCH64,
                       .e_version = EV_CURRENT,
                       .e_ehsize = sizeof head,
                       .e_shentsize = sizeof *headers,
                       .e_shnum = SECTION_COUNT,
                       .e_shstrndx = SECTION_NAMES};
    memset(headers, 0, sizeof headers);
    memcpy(head.e_ident, ELFMAG, SELFMAG);
    head.e_ident[EI_CLASS] = ELFCLASS64, head.e_ident[EI_DATA] = ELFDATA2LSB, head.e_ident[EI_VERSION] = EV_CURRENT;
    ds_string strings = {0};
    ds_string_append(&strings, "", 1);
    uint32_t symbol_name = (uint32_t)strings.length;
    ds_string_printf(&strings, "%s_weights_at", prefix);
    ds_string_append(&strings, "", 1);
    Elf64_Sym symbols[3] = {{0},
                            {.st_info = ELF64_ST_INFO(STB_LOCAL, STT_SECTION), .st_shndx = SECTION_DATA},
                            {.st_name = symbol_name,
                             .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
                             .st_other = STV_HIDDEN,
                             .st_shndx = SECTION_POINTER,
                             .st_size = 8}};
    Elf64_Rela rela = {.r_info = ELF64_R_INFO(1, x86 ? R_X86_64_64 : R_AARCH64_ABS64)};
    const uint64_t null = 0, large = x86 ? 0x10000000u : 0;
    const section weights = {
        SECTION_DATA, weights_section, SHT_PROGBITS, SHF_ALLOC | large, NULL, bytes, WEIGHTS_ALIGN, 0, 0, 0};
    const section rest[] = {
        {SECTION_POINTER, ".data.rel.ro", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, &null, 8, 8, 0, 0, 0},
        {SECTION_RELA, ".rela.data.rel.ro", SHT_RELA, SHF_INFO_LINK, &rela, sizeof rela, 8, SECTION_SYMBOLS,
         SECTION_POINTER, sizeof rela},
        {SECTION_SYMBOLS, ".symtab", SHT_SYMTAB, 0, symbols, sizeof symbols, 8, SECTION_STRINGS, 2, sizeof *symbols},
        {SECTION_STRINGS, ".strtab", SHT_STRTAB, 0, strings.data, strings.length, 1, 0, 0, 0},
        {SECTION_NAMES, ".shstrtab", SHT_STRTAB, 0, names, sizeof names, 1, 0, 0, 0},
        {SECTION_STACK, ".note.GNU-stack", SHT_PROGBITS, 0, NULL, 0, 1, 0, 0, 0},
    };
    ds_string_append(before, (const char *)&head, sizeof head);
    append_section(before, 0, headers, &weights);
    uint64_t base = before->length + bytes;
    for (size_t i = 0; i < DS_COUNT(rest); i++) append_section(behind, base, headers, &rest[i]);
    pad(behind, base, 8);
    head.e_shoff = base + behind->length;
    memcpy(before->data, &head, sizeof head);
    ds_string_append(behind, (const char *)headers, sizeof headers);
    ds_string_free(&strings);
}

bool ds_weights_move(void *file, uint64_t length, uint64_t offset, uint64_t bytes) {
    Elf64_Ehdr head;
    Elf64_Shdr at, section_names;
    char *start = file;
    if (length < sizeof head) return false;
    memcpy(&head, start, sizeof head);
    if (head.e_shoff > length || (length - head.e_shoff) / sizeof at < head.e_shnum || head.e_shstrndx >= head.e_shnum)
        return false;
    memcpy(&section_names, start + head.e_shoff + head.e_shstrndx * sizeof at, sizeof at);
    for (size_t i = 0; i < head.e_shnum; i++) {
        char *place = start + head.e_shoff + i * sizeof at;
        memcpy(&at, place, sizeof at);
        uint64_t name = section_names.sh_offset + at.sh_name;
        if (name > length - sizeof weights_section || memcmp(start + name, weights_section, sizeof weights_section))
            continue;
        at.sh_offset = offset;
        at.sh_size = bytes;
        memcpy(place, &at, sizeof at);
        return true;
    }
    return false;
}
