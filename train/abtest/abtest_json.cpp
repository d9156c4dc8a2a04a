#include <cmath>
#include <nlohmann/json.hpp>

#include "train/abtest/abtest_report.h"

namespace mal {

namespace {

using Json = nlohmann::ordered_json;

Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

Json effect_json(const Effect& effect) {
  return {{"percent", number(effect.change)}, {"low", number(effect.low)}, {"high", number(effect.high)}};
}

Json arm_json(const ArmTotals& arm, const std::vector<std::string>& industries) {
  const Outcome& sum = arm.sum;
  Json json = {{"name", arm.name},
               {"source", arm.source},
               {"users", arm.users},
               {"places", arm.places},
               {"unsold", arm.unsold},
               {"impressions", sum.impressions},
               {"clicks", sum.clicks},
               {"spend", sum.spend},
               {"budget", arm.budget},
               {"overspent", arm.overspent},
               {"orders", sum.orders},
               {"gmv", sum.gmv},
               {"roi", number(sum.gmv / sum.spend)},
               {"mean_pcvr", number(sum.predicted / sum.clicks)},
               {"pcoc", number(sum.predicted / sum.orders)},
               {"expected_orders", sum.expected_orders},
               {"expected_gmv", sum.expected_gmv},
               {"caused_orders", sum.caused_orders},
               {"caused_gmv", sum.caused_gmv},
               {"scale", arm.factor},
               {"advertiser_days", arm.advertiser_days},
               {"bound_days", arm.bound_days},
               {"rows_scored", arm.counts.rows},
               {"spend_by_hour", arm.spend_by_hour},
               {"log",
                {{"clicks", arm.log.clicks},
                 {"predicted", arm.log.predicted},
                 {"converted", arm.log.converted},
                 {"auc", arm.log.auc ? Json(*arm.log.auc) : Json(nullptr)},
                 {"unknown_users", arm.log.unknown_users},
                 {"unknown_ads", arm.log.unknown_ads}}}};
  for (std::size_t i = 0; i < industries.size(); ++i) {
    const IndustryOutcome& one = arm.industries[i];
    json["industries"][industries[i]] = {{"orders", one.orders}, {"gmv", one.gmv}, {"spend", one.spend}};
  }
  return json;
}

}  // namespace

std::string abtest_json(const AbtestOptions& options, const AbtestResult& result) {
  Json json = {{"world", options.world},
               {"users", options.users},
               {"from_day", options.from_day},
               {"days", options.days},
               {"seeds", options.seeds},
               {"design", options.aa > 0 || options.design == Design::plain ? "plain" : "paired"},
               {"salt", options.salt},
               {"calibration", calibration_name(options.calibration)}};
  if (result.aa) {
    json["aa"]["tests"] = result.aa->tests;
    json["aa"]["chance"] = largest_chance_share(result.aa->tests);
    for (std::size_t m = 0; m < result.aa->alarms.size(); ++m)
      json["aa"]["measures"][std::string(measures()[m].name)] = {
          {"alarms", result.aa->alarms[m]},
          {"share", static_cast<double>(result.aa->alarms[m]) / result.aa->tests},
          {"mean_half_width_percent", number(result.aa->mean_half_width[m])}};
    return json.dump(2) + "\n";
  }
  for (const SeedResult& seed : result.seeds) {
    Json of_seed = {{"seed", seed.seed}, {"log_clicks", seed.log_clicks}, {"log_conversions", seed.log_conversions}};
    for (const ArmTotals& arm : seed.arms) of_seed["arms"].push_back(arm_json(arm, result.industries));
    for (std::size_t a = 1; a < seed.arms.size(); ++a)
      for (std::size_t m = 0; m < measures().size(); ++m)
        of_seed["differences"][seed.arms[a].name][std::string(measures()[m].name)] =
            effect_json(effect_of({&seed.effects[a - 1][m], 1}));
    json["by_seed"].push_back(of_seed);
  }
  const std::vector<ArmTotals>& arms = result.seeds.front().arms;
  for (std::size_t a = 1; a < arms.size(); ++a) {
    Json& of_arm = json["differences"][arms[a].name];
    for (std::size_t m = 0; m < measures().size(); ++m) {
      Json& of_measure = of_arm[std::string(measures()[m].name)] = effect_json(pooled_effect(result, a, m));
      if (measures()[m].paper) of_measure["paper"] = *measures()[m].paper;
    }
    for (std::size_t i = 0; i < result.industries.size(); ++i)
      for (std::size_t m = 0; m < 3; ++m)
        of_arm["industries"][result.industries[i]][std::string(measures()[m].name)] =
            effect_json(pooled_effect(result, a, i, m));
  }
  return json.dump(2) + "\n";
}

}  // namespace mal
