// What every main() ends in: parse the command line, run its callbacks, turn whatever is thrown into one line and a
// code.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace mal {

// 0 = done, 1 = failed while running, 2 = the command or the configuration is wrong. Errors go to stderr as
// "PROGRAM: message", one line. A reader of our output that goes away (`| head`) ends the program quietly.
int run_program(const std::string& program, CLI::App& app, int argc, char** argv);

// For CLI11's check() of 64-bit options, which it would wrap or cut silently: "" or what is wrong.
std::string check_whole_number(const std::string& text);

}  // namespace mal
