foreach(_part certs certs_cmd)
  add_executable(unit_${_part}
    ${CMAKE_CURRENT_LIST_DIR}/${_part}.c
    ${PROJECT_SOURCE_DIR}/gateway/cli/suggest.c
    ${PROJECT_SOURCE_DIR}/gateway/cli/values.c
    ${PROJECT_SOURCE_DIR}/gateway/demo/certs.c
    ${PROJECT_SOURCE_DIR}/gateway/demo/certs_cmd.c
    ${PROJECT_SOURCE_DIR}/gateway/demo/files.c
    ${PROJECT_SOURCE_DIR}/lib/base/error.c)
  target_include_directories(unit_${_part} PRIVATE
    ${PROJECT_SOURCE_DIR}/gateway ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}/lib/include)
  target_link_libraries(unit_${_part} PRIVATE kiln_flags cmocka OpenSSL::SSL OpenSSL::Crypto)
  add_test(NAME unit_${_part} COMMAND unit_${_part})
  set_tests_properties(unit_${_part} PROPERTIES LABELS unit TIMEOUT 120)
endforeach()
