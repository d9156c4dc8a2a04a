// `mal_data attribute`. The callback does the work, prints a summary and throws mal::Error.
#pragma once

namespace CLI {
class App;
}

namespace mal {

void add_attribute_command(CLI::App& app);

}  // namespace mal
