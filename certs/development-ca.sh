#!/bin/sh
# A CA and a certificate for a webhook on this machine (localhost, 127.0.0.1), for development only.
# The keys go to a folder outside of this repository.
# usage: development-ca.sh FOLDER
set -eu
folder=${1:?usage: development-ca.sh FOLDER}
mkdir -p "$folder"
cd "$folder"
umask 077
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
	-subj "/CN=pequod development" -keyout ca.key -out ca.crt 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	-subj "/CN=localhost" -keyout tls.key -out tls.csr 2>/dev/null
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' >san.cnf
openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 \
	-extfile san.cnf -out tls.crt 2>/dev/null
rm -f tls.csr san.cnf ca.srl
echo "certificate: $folder/tls.crt  key: $folder/tls.key" >&2
echo "caBundle for the webhook configurations:" >&2
base64 <ca.crt | tr -d '\n'
echo
