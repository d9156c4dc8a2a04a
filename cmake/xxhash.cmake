# mal_xxhash: the header-only form of xxHash (Debian ships no CMake package for it).
find_path(MAL_XXHASH_INCLUDE xxhash.h)
if(NOT MAL_XXHASH_INCLUDE)
  message(FATAL_ERROR "xxhash.h not found: run scripts/setup.sh, or install libxxhash-dev")
endif()
add_library(mal_xxhash INTERFACE)
target_include_directories(mal_xxhash SYSTEM INTERFACE ${MAL_XXHASH_INCLUDE})
target_compile_definitions(mal_xxhash INTERFACE XXH_INLINE_ALL)
