# Sourced by the comparisons. python_of VENV REQUIREMENTS: a private virtual environment with the peers in it, made when
# the requirements have changed; prints its python.
python_of() {
  local venv=$1 requirements=$2
  if ! cmp -s "$requirements" "$venv/installed.txt"; then
    echo "compare: installing $(basename "$requirements" .txt | sed 's/_requirements//')'s peers into $venv" >&2
    python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" || return 1
    cp "$requirements" "$venv/installed.txt"
  fi
  echo "$venv/bin/python"
}
