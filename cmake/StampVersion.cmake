# Run at build time; rewrites OUTPUT only when something changed.
execute_process(COMMAND git -C ${SOURCE_DIR} describe --always --abbrev=12 --dirty=+ --exclude=*
                OUTPUT_VARIABLE COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT COMMIT)
  set(COMMIT unknown)   # a source archive without .git
endif()
configure_file(${TEMPLATE} ${OUTPUT} @ONLY)
