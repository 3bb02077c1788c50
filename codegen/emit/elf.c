/* A minimal ELF64 writer for weights (System V gABI): one read-only large-data section, one pointer to it. Weights never pass through
 * LLVM, and code reaches them through the pointer, so that their size does not matter to the code model. */
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

static void pad(ds_string *out, size_t align) {
    static const char zeros[64];
    ds_string_append(out, zeros, (align - out->length % align) % align);
}

void ds_weights_object(ds_string *out, const ds_target *target, const char *prefix, const void *weights, uint64_t bytes) {
    bool x86 = strcmp(target->arch, "x86_64") == 0;
    Elf64_Shdr sections[SECTION_COUNT];
    Elf64_Ehdr head = {.e_type = ET_REL,
                       .e_machine = x86 ? EM_X86_64 : EM_AARCH64,
                       .e_version = EV_CURRENT,
                       .e_ehsize = sizeof head,
                       .e_shentsize = sizeof *sections,
                       .e_shnum = SECTION_COUNT,
                       .e_shstrndx = SECTION_NAMES};
    memset(sections, 0, sizeof sections);
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
    const uint64_t null = 0;
    const struct {
        int at;
        const char *name;
        uint32_t type;
        uint64_t flags;
        const void *data;
        uint64_t size, align;
        uint32_t link, info;
        uint64_t entry;
    } parts[] = {
        {SECTION_DATA, ".lrodata", SHT_PROGBITS, SHF_ALLOC | (x86 ? 0x10000000u : 0), weights, bytes, 64, 0, 0, 0},
        {SECTION_POINTER, ".data.rel.ro", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, &null, 8, 8, 0, 0, 0},
        {SECTION_RELA, ".rela.data.rel.ro", SHT_RELA, SHF_INFO_LINK, &rela, sizeof rela, 8, SECTION_SYMBOLS, SECTION_POINTER, sizeof rela},
        {SECTION_SYMBOLS, ".symtab", SHT_SYMTAB, 0, symbols, sizeof symbols, 8, SECTION_STRINGS, 2, sizeof *symbols},
        {SECTION_STRINGS, ".strtab", SHT_STRTAB, 0, strings.data, strings.length, 1, 0, 0, 0},
        {SECTION_NAMES, ".shstrtab", SHT_STRTAB, 0, names, sizeof names, 1, 0, 0, 0},
        {SECTION_STACK, ".note.GNU-stack", SHT_PROGBITS, 0, "", 0, 1, 0, 0, 0},
    };
    ds_string_append(out, (const char *)&head, sizeof head);
    for (size_t i = 0; i < DS_COUNT(parts); i++) {
        pad(out, (size_t)parts[i].align);
        sections[parts[i].at] = (Elf64_Shdr){.sh_name = name_at(parts[i].name),
                                             .sh_type = parts[i].type,
                                             .sh_flags = parts[i].flags,
                                             .sh_offset = out->length,
                                             .sh_size = parts[i].size,
                                             .sh_link = parts[i].link,
                                             .sh_info = parts[i].info,
                                             .sh_addralign = parts[i].align,
                                             .sh_entsize = parts[i].entry};
        ds_string_append(out, parts[i].data, (size_t)parts[i].size);
    }
    pad(out, 8);
    head.e_shoff = out->length;
    memcpy(out->data, &head, sizeof head);
    ds_string_append(out, (const char *)sections, sizeof sections);
    ds_string_free(&strings);
}
