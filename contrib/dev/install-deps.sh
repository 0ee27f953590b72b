#!/bin/sh
# Installs what building (`build`) and testing (`test`) Sealpost need on Debian 12.
# Does nothing when everything is there; needs root only when something is missing.
set -eu

have() { command -v "$1" >/dev/null 2>&1; }

missing=""
need() { # command package…
    have "$1" || { shift; missing="$missing $*"; }
}

need cc gcc libc6-dev
need make make
need cmake cmake
need pkg-config pkg-config
[ -e /usr/include/openssl/cms.h ] || missing="$missing libssl-dev"
if [ "${1:-build}" = test ]; then
    need openssl openssl
    need softhsm2-util softhsm2
    need faketime faketime
    need curl curl
    need unzip unzip
    need mkfs.ext4 e2fsprogs
    need findmnt mount
    need dash dash
    need shellcheck shellcheck
    need swaks swaks libnet-ssleay-perl libio-socket-ssl-perl
    need python3 python3
    python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
    need gsasl gsasl
    need mbsync isync
    need oathtool oathtool
    [ -x /usr/sbin/postfix ] || missing="$missing postfix"
    need chromium chromium fonts-liberation
    need chromedriver chromium-driver
    need Xvfb xvfb
    need xdotool xdotool
    need certutil libnss3-tools
    need pdftotext poppler-utils
    need xmllint libxml2-utils
    need xmlsec1 xmlsec1
    need named bind9 bind9-dnsutils
    /usr/bin/python3 -c 'import dkim, nacl' 2>/dev/null || missing="$missing python3-dkim python3-nacl"
    need sqlite3 sqlite3
    [ -x /usr/sbin/clamd ] || missing="$missing clamav-daemon"
    [ -x /usr/sbin/slapd ] || missing="$missing slapd"
    [ -x /usr/sbin/dovecot ] || missing="$missing dovecot-imapd"
    need npm npm
    need node nodejs
    [ -x /usr/lib/postgresql/15/bin/initdb ] || missing="$missing postgresql-15"
fi

if [ -n "$missing" ]; then
    echo "installing:$missing"
    if [ "$(id -u)" != 0 ]; then
        echo "run this as root, or install these packages yourself" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    case "$missing" in
    *postfix*)
        # Tests run it with a configuration of their own; the system's is neither made nor started.
        echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
        ;;
    esac
    apt-get update -qq
    # shellcheck disable=SC2086 -- a list of package names
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

if [ "${1:-build}" = test ]; then
    have cargo-nextest || cargo install --locked --quiet cargo-nextest --version 0.9.143
fi
# A second opinion on seals and timestamps, in a place of its own.
if [ "${1:-build}" = test ] && [ ! -x /opt/sealpost-test/bin/pyhanko-0.29.1 ]; then
    python3 -m venv /opt/sealpost-test
    /opt/sealpost-test/bin/pip install --quiet --disable-pip-version-check pyHanko==0.29.1
    ln -sf python /opt/sealpost-test/bin/pyhanko-0.29.1
fi
# Pro Santé Connect, as tests need it.
oidc=$(dirname "$0")/../../tests/tools/oidc
if [ "${1:-build}" = test ] && [ ! -d "$oidc/node_modules/oidc-provider" ]; then
    (cd "$oidc" && npm ci --ignore-scripts --no-audit --no-fund --silent)
fi
# The rules of accessibility that the scenarios run in Chromium, as pinned in their lock file.
axe="$(dirname "$0")/../../tests/tools/axe"
if [ "${1:-build}" = test ] && [ ! -e "$axe/node_modules/axe-core/axe.min.js" ]; then
    npm ci --prefix "$axe" --ignore-scripts --silent --no-audit --no-fund
fi
# The S3 server that scenarios keep content in.
s3="$(dirname "$0")/../../tests/tools/s3"
if [ "${1:-build}" = test ] && [ ! -e "$s3/node_modules/s3rver/bin/s3rver.js" ]; then
    npm ci --prefix "$s3" --ignore-scripts --silent --no-audit --no-fund
fi
# Requests made from the API's description, and answers compared with it.
if [ "${1:-build}" = test ] && [ ! -x /opt/sealpost-test/bin/schemathesis-4.32.5 ]; then
    [ -x /opt/sealpost-test/bin/pip ] || python3 -m venv /opt/sealpost-test
    /opt/sealpost-test/bin/pip install --quiet --disable-pip-version-check schemathesis==4.32.5
    ln -sf schemathesis /opt/sealpost-test/bin/schemathesis-4.32.5
fi
