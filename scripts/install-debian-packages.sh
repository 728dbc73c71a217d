#!/bin/sh
# Installs Debian packages for the tests; must run as root. No service is started or enabled by it: the tests start their
# own servers, and Debian's would occupy the ports of Redis and the web. A service that was there before stays as it is.
set -eu
export DEBIAN_FRONTEND=noninteractive

is_installed() {
  dpkg-query --show --showformat='${Status}' "$1" 2>/dev/null | grep -q 'ok installed$'
}

# Packages whose service Debian enables, and those of them that were not there before.
new_services=
for package in redis-server caddy prometheus; do
  if ! is_installed "$package"; then new_services="$new_services $package"; fi
done

# While this file says 101, packages start and restart no service. One that exists is the administrator's.
policy=/usr/sbin/policy-rc.d
has_own_policy=no
if [ -e "$policy" ]; then
  has_own_policy=yes
else
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' HUP INT TERM
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

# Another apt-get may run, as unattended upgrades do: wait up to 120 s for it.
apt-get update -qq -o DPkg::Lock::Timeout=120
apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"

for package in $new_services; do
  if ! is_installed "$package"; then continue; fi
  if command -v systemctl >/dev/null; then systemctl --quiet disable "$package.service" || true; fi
  if [ "$has_own_policy" = yes ]; then service "$package" stop >/dev/null 2>&1 || true; fi
done
