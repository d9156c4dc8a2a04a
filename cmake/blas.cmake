# mal_blas: a CBLAS; OpenBLAS by default, in its pthread flavour where the system has several. Told to use
# one thread (kernels/cpu/parallel.cpp), that one obeys; the OpenMP flavour asks OpenMP anew at every call.
find_path(MAL_CBLAS_INCLUDE cblas.h
  PATH_SUFFIXES x86_64-linux-gnu/openblas-pthread aarch64-linux-gnu/openblas-pthread openblas-pthread openblas)
find_library(MAL_CBLAS_LIBRARY NAMES openblas cblas
  PATH_SUFFIXES x86_64-linux-gnu/openblas-pthread aarch64-linux-gnu/openblas-pthread openblas-pthread)
if(NOT MAL_CBLAS_INCLUDE OR NOT MAL_CBLAS_LIBRARY)
  message(FATAL_ERROR "no CBLAS found: run scripts/setup.sh, or install libopenblas-pthread-dev")
endif()
add_library(mal_blas INTERFACE)
target_include_directories(mal_blas SYSTEM INTERFACE ${MAL_CBLAS_INCLUDE})
target_link_libraries(mal_blas INTERFACE ${MAL_CBLAS_LIBRARY})
