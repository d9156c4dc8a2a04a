// report.html of `mal_data attribute --report`: the channel table and the journeys as pictures, in one file that needs
// no network.
#pragma once

#include <string>

#include "train/attribution/attribute.h"
#include "train/attribution/path_stats.h"

namespace mal {

std::string channel_page(const AttributeReport& report, const PathReport& paths);

}  // namespace mal
