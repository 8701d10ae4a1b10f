// The subcommands of `isoflop data`.
#pragma once

namespace CLI {
class App;
}

namespace isoflop::cli {

void add_data_prepare(CLI::App& data);
void add_data_inspect(CLI::App& data);

}  // namespace isoflop::cli
