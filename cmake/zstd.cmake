# mal_zstd: libzstd. Older packages of it have no CMake package, and the program pkg-config may be missing.
find_path(MAL_ZSTD_INCLUDE zstd.h)
find_library(MAL_ZSTD_LIBRARY zstd)
if(NOT MAL_ZSTD_INCLUDE OR NOT MAL_ZSTD_LIBRARY)
  message(FATAL_ERROR "libzstd (zstd.h and its library) not found: run scripts/setup.sh, or install libzstd-dev")
endif()
add_library(mal_zstd UNKNOWN IMPORTED)
set_target_properties(mal_zstd PROPERTIES IMPORTED_LOCATION ${MAL_ZSTD_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES ${MAL_ZSTD_INCLUDE})
