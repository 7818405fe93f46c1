#!/bin/sh
# Makes the certificates of this directory anew. They are test certificates and nothing else: their
# keys are public.
#
#   ca.pem           the authority that tests trust
#   good.pem         localhost and 127.0.0.1, signed by it
#   expired.pem      the same, valid in 2020 only
#   other-name.pem   for example.org only
#   self-signed.pem  signed by itself
#   key.pem          the key of all four
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt; }
key > "$work/ca.key"
key > key.pem
touch "$work/index"
cat > "$work/ca.cnf" <<END
[ca]
default_ca = here
[here]
database = $work/index
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
END
# sign NAME KEY ISSUER-OPTIONS FROM UNTIL EXTENSIONS
sign() {
    openssl req -new -key "$2" -subj "/CN=$1" -out "$work/$1.csr"
    printf "$6" > "$work/$1.ext"
    # shellcheck disable=SC2086
    openssl ca -batch -notext -config "$work/ca.cnf" -in "$work/$1.csr" -out "$1.pem" $3 \
        -startdate "$4" -enddate "$5" -extfile "$work/$1.ext" 2> /dev/null
}
FROM=20200101000000Z
UNTIL=21200101000000Z
LEAF='basicConstraints=critical,CA:FALSE\nsubjectAltName='
HERE='DNS:localhost,IP:127.0.0.1\n'
BY_CA="-cert ca.pem -keyfile $work/ca.key"
sign ca "$work/ca.key" "-selfsign -keyfile $work/ca.key" "$FROM" "$UNTIL" \
    'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n'
sign good key.pem "$BY_CA" "$FROM" "$UNTIL" "$LEAF$HERE"
sign expired key.pem "$BY_CA" "$FROM" 20201231000000Z "$LEAF$HERE"
sign other-name key.pem "$BY_CA" "$FROM" "$UNTIL" "${LEAF}DNS:example.org\n"
sign self-signed key.pem "-selfsign -keyfile key.pem" "$FROM" "$UNTIL" "$LEAF$HERE"
