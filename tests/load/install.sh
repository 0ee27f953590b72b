#!/bin/sh
# Installs the peers of `make bench` on Debian 12 without starting or configuring any of them.
set -eu

missing=""
[ -x /usr/sbin/postfix ] || missing="$missing postfix"
[ -x /usr/sbin/nginx ] || missing="$missing nginx-light"
[ -x /usr/sbin/opendkim ] || missing="$missing opendkim"
[ -x /usr/lib/dovecot/imap ] || missing="$missing dovecot-imapd"
[ -x /usr/bin/openssl ] || missing="$missing openssl"
[ -n "$missing" ] || exit 0

echo "installing:$missing" >&2
if [ "$(id -u)" != 0 ]; then
    echo "run this as root, or install these packages yourself" >&2
    exit 1
fi
# Packages that bring a service start it; this says no while we install (invoke-rc.d, policy-rc.d).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
# Postfix without a configuration of its own: ours lies in the run's directory.
echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
apt-get update -qq
# shellcheck disable=SC2086 -- a list of package names
apt-get install -y -qq --no-install-recommends $missing >/dev/null
