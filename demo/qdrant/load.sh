#!/bin/sh
# Loads the reviews of the demo shop into Qdrant over REST: the collection, its payload indexes, the points, whose vectors the
# server makes itself. Loading again changes nothing.
#
# QDRANT_URL            http://host:6333
# QDRANT_API_KEY_FILE   a file with the server's API key
set -eu
cd "$(dirname "$0")"

# A file, so that the key is in no process list.
umask 077
header=$(mktemp)
trap 'rm -f "$header"' EXIT
printf 'api-key: %s' "$(cat "$QDRANT_API_KEY_FILE")" >"$header"

# request METHOD PATH [BODY]: an answer that is no success ends this script, with what the server said.
request() {
  curl --silent --show-error --fail-with-body --max-time 60 --header "@$header" --header 'Content-Type: application/json' \
    --request "$1" ${3:+--data-binary "@$3"} "$QDRANT_URL/collections/reviews$2"
  echo
}

exists=$(request GET /exists)
case $exists in
*'"exists":true'*) ;;
*) request PUT '' collection.json ;;
esac
for index in index/*.json; do
  request PUT '/index?wait=true' "$index"
done
request PUT '/points?wait=true' points.json
