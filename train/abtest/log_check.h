// How an arm does on the last days of the log: whether it is of this world, and how its mean compares with what came.
#pragma once

#include <optional>

#include "train/abtest/arm.h"
#include "train/abtest/warm_up.h"

namespace mal {

struct LogCheck {
  std::size_t clicks = 0;
  double predicted = 0, converted = 0;        // sums over them
  std::optional<double> auc;                  // of "the last click before a conversion"
  double unknown_users = 0, unknown_ads = 0;  // share of the clicks with an id that the model's training had not seen

  // What brings the mean of the probabilities to the rate that came; 1 where there is nothing to go by.
  double factor() const { return predicted > 0 && converted > 0 ? converted / predicted : 1; }
};

LogCheck check_on_log(const Arm& arm, const WarmUp& warm, int threads);

// Error where most clicks have ids that the model does not know; a line on stderr where many have, or where the model
// tells hardly anything apart: it was trained on another world, seed or number of users.
void judge(const LogCheck& check, const ArmSpec& arm);

// The rows of past clicks as places with one candidate: what the model is told of them is what the log says.
Place place_of(const WarmUp& warm, const PastClick& past, const Random& log_noise);

}  // namespace mal
