#include "train/report/page.h"

#include <fmt/format.h>

#include "train/report/svg.h"

namespace mal {

namespace {

constexpr const char* kStyle = R"(
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1360px; margin: 2em auto; padding: 0 1em; color: #222; }
h1 { font-size: 1.4em; } h2 { font-size: 1.1em; margin-top: 2em; } .note { color: #555; }
table { border-collapse: collapse; margin: 1em 0; font-size: .92em; } td, th { padding: .3em .6em; text-align: right; white-space: nowrap; }
td:first-child, th:first-child { text-align: left; } th { border-bottom: 2px solid #888; white-space: normal; vertical-align: bottom; }
tr:nth-child(even) td { background: #f4f6f8; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(520px, 1fr)); gap: 1em; }
svg { width: 100%; border: 1px solid #ddd; border-radius: 4px; } svg text { font-size: 12px; fill: #333; }
svg .title { font-weight: 600; font-size: 13px; } .grid { stroke: #e6e6e6; } .axis { stroke: #444; }
.interval { stroke: #444; stroke-width: 1.4; } .picture { max-width: 760px; }
.ideal { stroke: #999; stroke-dasharray: 5 4; } svg .light { fill: #fff; pointer-events: none; } svg .dark { pointer-events: none; }
td.path { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 20em; } .table { overflow-x: auto; }
td.name { max-width: 24em; overflow: hidden; text-overflow: ellipsis; }
)";

}  // namespace

std::string html_page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title><style>{1}</style></head>"
      "<body>\n<h1>{0}</h1>\n{2}</body></html>\n",
      escape_html(title), kStyle, body);
}

}  // namespace mal
