// The command-line side of `mal_data prepare` and `mal_data stats`.
#pragma once

namespace CLI {
class App;
}

namespace mal {

void add_prepare_command(CLI::App& app);
void add_stats_command(CLI::App& app);
void add_export_parquet_command(CLI::App& app);

}  // namespace mal
