// Every key of a training configuration, once.
#pragma once

#include "train/config/config_visitor.h"
#include "train/config/run_config.h"

namespace mal {

void visit_config(RunConfig& config, ConfigVisitor& visitor);

}  // namespace mal
