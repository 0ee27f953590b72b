# FR  0. Le fichier à vérifier et la racine de confiance, dans un dossier vide.
# EN  0. The file to check and the root you trust, in an empty folder.
FILE=${FILE:-proof.asice}
CA=${CA:-ca.pem}
# FR  Quand l'autorité d'horodatage aura expiré, décommentez : vérification à la date de l'export.
# EN  Once the time authority has expired, uncomment: verification at the date of export.
AT=""
# AT="-attime @EPOCH@"
unzip -q -o "$FILE" -d proof

# FR  Outils : verdict, empreinte, horodatage d'une signature, signature (à la date de son horodatage).
# EN  Tools: verdict, digest, timestamp within a signature, signature (at the date of its timestamp).
say() { if [ "$1" = 0 ]; then echo "OK   $2"; else echo "BAD  $2"; fi; }
digest() { openssl dgst -sha256 -binary "$1" | openssl base64 -A; }
epoch() {
  local y=${1:0:4} m=$((10#${1:4:2})) d=$((10#${1:6:2}))
  y=$((m > 2 ? y : y - 1))
  d=$((365 * y + y / 4 - y / 100 + y / 400 + (153 * ((m + 9) % 12) + 2) / 5 + d - 719469))
  echo $((d * 86400 + 10#${1:8:2} * 3600 + 10#${1:10:2} * 60 + 10#${1:12:2}))
}
stamp() {
  local line at value= token= skip=
  while IFS= read -r line; do
    at=${line%%:*}; at=${at// /}
    if [ -n "$skip" ]; then
      skip=$((skip - 1))
      if [ "$skip" = 0 ]; then token=$at; break; fi
    elif [[ $line == *timeStampToken* ]]; then skip=2
    elif [[ $line == *"OCTET STRING"* ]]; then value=$at; fi
  done < <(openssl asn1parse -inform DER -in "$1")
  openssl asn1parse -inform DER -in "$1" -strparse "$value" -noout -out value.bin &&
  openssl asn1parse -inform DER -in "$1" -strparse "$token" -noout -out token.der &&
  openssl ts -verify -data value.bin -in token.der -token_in -CAfile "$CA" $AT >/dev/null 2>&1 || return 1
  openssl cms -verify -noverify -inform DER -in token.der -out tst.der 2>/dev/null || return 1
  while IFS= read -r line; do
    if [[ $line == *GENERALIZEDTIME* ]]; then when=$(epoch "${line##*:}"); break; fi
  done < <(openssl asn1parse -inform DER -in tst.der)
}
sealed() {
  stamp "$2" && openssl cms -verify -binary -cades -inform DER -in "$2" -content "$1" \
    -CAfile "$CA" -attime "$when" -signer signer.pem -out /dev/null >/dev/null 2>&1
  say $? "$1 = $2"
}

# FR  1. Le sceau sur la liste des fichiers, puis chaque fichier contre la liste.
# EN  1. The seal over the list of files, then each file against the list.
sealed proof/META-INF/ASiCManifest001.xml proof/META-INF/signature001.p7s
while IFS= read -r line; do
  case $line in
    *'DataObjectReference URI="'*) f=${line#*URI=\"}; f=${f%%\"*} ;;
    *'<ds:DigestValue>'*) v=${line#*>}; v=${v%%<*}; [ "$(digest "proof/$f")" = "$v" ]; say $? "$f" ;;
  esac
done < proof/META-INF/ASiCManifest001.xml

# FR  2. Chaque preuve (XML) : son sceau, et l'entrée du journal qui porte son empreinte.
# EN  2. Each evidence (XML): its seal, and the journal entry that names its digest.
for f in proof/evidence/*.xml; do
  [ -e "$f" ] || continue
  sealed "$f" "$f.p7s"
  read -r hex _ < <(sha256sum "$f")
  found=1
  for e in proof/log/*.json; do [[ $(<"$e") == *"\"evidence\":\"$hex\""* ]] && found=0; done
  say $found "$f : journal"
done

# FR  3. Le message d'origine, s'il est joint : son empreinte figure dans chaque preuve.
# EN  3. The original message, if included: its digest stands in every evidence.
if [ -e proof/message/original.eml ]; then
  sha256sum proof/message/original.eml
  v=$(digest proof/message/original.eml)
  for f in proof/evidence/*.xml; do
    [ -e "$f" ] || continue
    [[ $(<"$f") == *"<ds:DigestValue>$v</ds:DigestValue>"* ]]; say $? "message/original.eml : $f"
  done
fi

# FR  4. Le point de contrôle du journal : horodatage, sceau, et signature par la même clé.
# EN  4. The journal's checkpoint: timestamp, seal, and signature by the same key.
openssl ts -verify -data proof/log/checkpoint -in proof/log/checkpoint.tst -token_in -CAfile "$CA" $AT >/dev/null 2>&1
say $? "log/checkpoint.tst"
sealed proof/log/checkpoint proof/log/checkpoint.p7s
openssl x509 -in signer.pem -noout -pubkey > key.pem
{ IFS= read -r origin; IFS= read -r size; IFS= read -r root; IFS= read -r _; IFS=' ' read -r _ _ blob; } < proof/log/checkpoint
printf '%s\n%s\n%s\n' "$origin" "$size" "$root" > note.txt
printf '%s' "$blob" | openssl base64 -d -A > blob.bin
openssl asn1parse -inform DER -in blob.bin -offset 4 -noout -out note.sig
openssl dgst -sha256 -verify key.pem -signature note.sig note.txt >/dev/null 2>&1
say $? "log/checkpoint"

# FR  5. Chaque entrée mène à la racine du point de contrôle (RFC 9162, 2.1.3.2).
# EN  5. Each entry leads to the root of the checkpoint (RFC 9162, 2.1.3.2).
bytes() { printf '%s' "$1" | openssl base64 -d -A; }
node() { { printf '\1'; bytes "$1"; bytes "$2"; } | openssl dgst -sha256 -binary | openssl base64 -A; }
for f in proof/log/*.tlog-proof; do
  r=$({ printf '\0'; printf '%s' "$(<"${f%.tlog-proof}.json")"; } | openssl dgst -sha256 -binary | openssl base64 -A)
  { IFS= read -r _; IFS=' ' read -r _ fn
    sn=$((size - 1))
    while IFS= read -r p && [ -n "$p" ]; do
      if [ $((fn & 1)) = 1 ] || [ "$fn" = "$sn" ]; then
        r=$(node "$p" "$r")
        while [ $((fn & 1)) = 0 ] && [ "$fn" != 0 ]; do fn=$((fn >> 1)); sn=$((sn >> 1)); done
      else r=$(node "$r" "$p"); fi
      fn=$((fn >> 1)); sn=$((sn >> 1))
    done
  } < "$f"
  [ "$sn" = 0 ] && [ "$r" = "$root" ]; say $? "$f"
done
