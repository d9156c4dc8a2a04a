// `mal_gpu_train calibrate`: fits the probabilities of a model file to rows that training did not see.
#pragma once

#include <string>

namespace mal {

struct CalibrateOptions {
  std::string model, dataset;
  std::string split = "test";
  std::string method = "isotonic";
  std::string out;  // empty: the model file itself
};

void calibrate_model(const CalibrateOptions& options);

}  // namespace mal
