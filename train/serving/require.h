// Errors of mal_infer.h as ours.
#pragma once

#include "engine/error.h"
#include "model/inference/mal_infer.h"

namespace mal {

inline void require(const infer::Status& status) {
  if (!status.ok()) fail("{}", status.message());
}

}  // namespace mal
