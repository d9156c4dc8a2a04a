// The channel table for people and for attribution.json.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "train/attribution/channel_totals.h"

namespace mal {

// Several tables, one number a channel and mechanism: conversions and, where they are known, value, CPA and ROAS.
std::string channel_table_text(const ChannelTable& table);

nlohmann::ordered_json channel_table_json(const ChannelTable& table);  // a list of channels

}  // namespace mal
