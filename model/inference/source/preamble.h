// mal_infer.h: serves models of `mal_gpu_train export`. One header, C++17, nothing but the standard library.
//
//   auto model = mal::infer::Model::load("model.mal");      // checks every byte before it trusts it
//   auto user = model.features(), ad = model.features();    // raw values, as in the training data
//   user.set("user_id", "u17");
//   ad.set("ad_id", 4711);
//   auto scorer = model.scorer();                           // one a thread; no allocation after warm-up
//   scorer.set_user(user);                                  // computed once a request
//   float p = scorer.predict(ad);                           // probability of the primary view
//
// Made of model/inference/source/*.h by scripts/amalgamate.sh; change those, not this file.
//
// Copyright (c) 2026 the MAL authors
//
// Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
// documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
// rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to
// permit persons to whom the Software is furnished to do so, subject to the following conditions:
//
// The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
// Software.
//
// THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
// WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
// COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
// OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define MAL_INFER_EXCEPTIONS 1
#include <stdexcept>
#else
#define MAL_INFER_EXCEPTIONS 0
#endif

#if defined(__unix__) || defined(__APPLE__)
#define MAL_INFER_MMAP 1
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#else
#define MAL_INFER_MMAP 0
#endif

// x86 functions with a target attribute: a build without -march still has them, and the processor is asked at run time.
#if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))
#define MAL_INFER_X86 1
#include <immintrin.h>
#else
#define MAL_INFER_X86 0
#endif
#if defined(__ARM_NEON) && defined(__aarch64__)
#define MAL_INFER_NEON 1
#include <arm_neon.h>
#else
#define MAL_INFER_NEON 0
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "mal_infer.h reads little-endian model files in place; this processor is big-endian"
#endif

#if defined(__GNUC__) || defined(__clang__)
#define MAL_INFER_NOINLINE __attribute__((noinline))
#else
#define MAL_INFER_NOINLINE
#endif
