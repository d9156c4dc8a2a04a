// The frame of every page that we write: one file, no network, no script.
#pragma once

#include <string>

namespace mal {

// body: HTML. title: text.
std::string html_page(const std::string& title, const std::string& body);

}  // namespace mal
