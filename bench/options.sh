# Sourced by the comparisons: what their options may be. What is wrong is said, with what would be right; exit code 2.

# numbers TOPIC NAME...: the variables hold whole numbers from 1, one or several between commas; empty: not given.
numbers() {
  local topic=$1 name
  shift
  for name; do
    [[ -z ${!name} || ${!name} =~ ^[1-9][0-9]*(,[1-9][0-9]*)*$ ]] && continue
    echo "$topic: --$name ${!name}: not a whole number from 1, nor several between commas" >&2
    exit 2
  done
}

# each_of TOPIC NAME VALUES [TEXT]: every part of the variable, between commas, matches the pattern VALUES ("mal|base");
# TEXT says it where a pattern would not.
each_of() {
  local topic=$1 name=$2 values=$3 text=${4:-${3//|/, }} part parts
  IFS=, read -ra parts <<<"${!name}"
  for part in "${parts[@]}"; do
    [[ $part =~ ^($values)$ ]] && continue
    echo "$topic: --$name: '$part' is unknown; possible: $text" >&2
    exit 2
  done
}
