# The CPU kernels, ${cpu} and ${cpu_bf16} with the flags ${arithmetic}, once for each instruction set that MAL_MARCH asks for.
#
# Inline functions and templates of the standard library are weak symbols: of the copies that the variants bring, the
# linker would keep any one for all, and a processor without AVX-512 could meet the one compiled with it. So the objects
# of a variant are linked into one, section groups resolved, and every symbol of it made local but that of its table
# (tests/kernels/cpu_variants.sh). A variant must run nothing at start either: no global whose constructor is code.
# Unique symbols (static data of templates) are one for all by design, and cannot be made local: GCC makes none here.
find_program(MAL_RELOCATABLE_LINKER NAMES ld.bfd ld DOC "GNU ld, which joins the objects of an instruction set")
find_program(MAL_OBJCOPY NAMES objcopy DOC "objcopy, which hides the symbols of an instruction set")
mark_as_advanced(MAL_RELOCATABLE_LINKER MAL_OBJCOPY)

# mal_add_cpu_variant(NAME INSTRUCTIONS LEVEL FLAGS...): see CpuVariant in cpu/variants.h for the first three.
function(mal_add_cpu_variant name instructions level)
  string(MAKE_C_IDENTIFIER "mal_cpu_${name}" symbol)
  # Not every processor of level 4 has bf16: files that need it have flags of their own, and are called only there.
  add_library(${symbol} OBJECT ${cpu})
  add_library(${symbol}_bf16 OBJECT ${cpu_bf16})
  foreach(part ${symbol} ${symbol}_bf16)
    target_link_libraries(${part} PRIVATE mal_flags)
    target_compile_options(${part} PRIVATE ${ARGN} ${arithmetic})
    if(mal_isolate AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
      target_compile_options(${part} PRIVATE -fno-gnu-unique)
    endif()
    set_target_properties(${part} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)  # objcopy needs machine code
  endforeach()
  target_compile_definitions(${symbol} PRIVATE MAL_CPU_TABLE=${symbol})
  if(level EQUAL 4)
    target_compile_options(${symbol}_bf16 PRIVATE -mavx512bf16 -mamx-tile -mamx-bf16)
  endif()
  set(objects $<TARGET_OBJECTS:${symbol}> $<TARGET_OBJECTS:${symbol}_bf16>)
  set_property(TARGET mal_kernels APPEND_STRING PROPERTY
    MAL_VARIANTS "VARIANT(${symbol}, \"${name}\", \"${instructions}\", ${level}) ")
  if(NOT mal_isolate)
    target_sources(mal_kernels PRIVATE ${objects})
    return()
  endif()
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.o)
  add_custom_command(OUTPUT ${object}
    COMMAND ${MAL_RELOCATABLE_LINKER} -r --force-group-allocation -o ${object} ${objects}
    COMMAND ${MAL_OBJCOPY} --keep-global-symbol=${symbol} ${object}
    DEPENDS ${objects} COMMAND_EXPAND_LISTS VERBATIM
    COMMENT "Joining the CPU kernels for ${instructions}")
  set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  target_sources(mal_kernels PRIVATE ${object})
  set_property(TARGET mal_kernels APPEND PROPERTY MAL_VARIANT_OBJECTS ${symbol} ${object})
endfunction()

set(march ${MAL_MARCH})
if(march STREQUAL portable AND MAL_SANITIZE)
  # One set finds what there is to find in a third of the time; and what the sanitizers add to an object (constructors,
  # tables that name symbols) is not made to be joined.
  set(march native)
endif()
string(REGEX MATCH "^x86-64-v([234])$" levels "${march}")
set(levels ${CMAKE_MATCH_1})
if(march STREQUAL portable AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(levels 2 3 4)
endif()
set(mal_isolate OFF)
if(levels AND NOT MAL_SANITIZE)
  set(mal_isolate ON)
  if(NOT MAL_RELOCATABLE_LINKER OR NOT MAL_OBJCOPY)
    message(FATAL_ERROR "MAL_MARCH=${MAL_MARCH} needs GNU ld and objcopy (binutils); -DMAL_MARCH=native does not")
  endif()
endif()
if(levels)
  foreach(level ${levels})
    mal_add_cpu_variant(v${level} x86-64-v${level} ${level} -march=x86-64-v${level})
  endforeach()
elseif(march STREQUAL portable)
  mal_add_cpu_variant(generic ${CMAKE_SYSTEM_PROCESSOR} 0)
else()
  mal_add_cpu_variant(${march} -march=${march} 0 -march=${march})
endif()
get_target_property(variants mal_kernels MAL_VARIANTS)
set_source_files_properties(cpu/variants.cpp PROPERTIES COMPILE_DEFINITIONS "MAL_CPU_VARIANTS=${variants}")
