// `mal_data simulate`. The callback does the work, prints a summary and throws mal::Error.
#pragma once

namespace CLI {
class App;
}

namespace mal {

void add_simulate_command(CLI::App& app);

}  // namespace mal
